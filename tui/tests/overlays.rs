//! What lies over a page, at every size: dialogs, menus, the palette, what is being typed, results, and the banner before
//! there is a daemon. Painted from what a daemon said over a real socket.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;

#[expect(dead_code, reason = "each test file uses a part of the driver")]
mod driver;

use driver::Driver;
use driver::scene::{SIZES, started, whole};
use windlass_protocol::view::Pause;
use windlass_tui::keymap::Key::{Char, Enter, Esc};
use windlass_tui::state::{Event, State};

/// A question is not asked where it is not seen, so each size begins anew.
async fn at_every_size(name: &str, reach: impl AsyncFn(&mut Driver)) {
    for size in SIZES {
        let mut driver = started().await;
        driver.resize(size);
        driver.until("all of it", whole).await;
        reach(&mut driver).await;
        driver.until("all of it", whole).await;
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), driver.look());
        if size == SIZES[1] {
            insta::assert_snapshot!(format!("{name}_for_other_eyes"), driver.look_for_other_eyes());
        }
    }
}

async fn press_each(driver: &mut Driver, keys: &str) {
    for key in keys.chars() {
        driver.press(&[if key == '\n' { Enter } else { Char(key) }]);
        driver.until("all of it", whole).await;
    }
}

#[tokio::test]
async fn a_question() {
    at_every_size("cancel", async |driver| press_each(driver, "jx").await).await;
    at_every_size("retry", async |driver| press_each(driver, "eR").await).await;
}

#[tokio::test]
async fn what_can_be_done_and_why_not() {
    at_every_size("menu", async |driver| press_each(driver, "e.").await).await;
    at_every_size("palette", async |driver| press_each(driver, ":").await).await;
}

#[tokio::test]
async fn what_is_being_typed() {
    at_every_size("filter", async |driver| {
        press_each(driver, "/").await;
        driver.type_text("acme");
    })
    .await;
    at_every_size("search", async |driver| {
        press_each(driver, "e\n\n/").await;
        driver.type_text("package 4.");
    })
    .await;
}

#[tokio::test]
async fn results_and_refusals() {
    at_every_size("toasts", async |driver| {
        driver.press(&[Char('y'), Char('u')]);
        let text =
            "build 4: conflict: build 4 has ended already, so there is nothing left that could be cancelled".to_owned();
        driver.happen(Event::Told { text, bad: true });
    })
    .await;
}

#[tokio::test]
async fn a_paused_queue() {
    at_every_size("paused", async |driver| {
        driver.fake.change(|world| {
            let (by, reason) = ("ada".to_owned(), Some("the registry moves to another machine".to_owned()));
            world.pauses.push(Pause { repository: None, by, since: world.now, reason });
        });
        let paused = |state: &State| state.queue.as_ref().is_some_and(|queue| !queue.pauses.is_empty());
        driver.until("the pause", paused).await;
        driver.press(&[Char('2')]);
        driver.press(&[Char('P')]);
        driver.press(&[Esc, Char('P')]);
    })
    .await;
}

#[tokio::test]
async fn before_there_is_a_daemon() {
    for size in SIZES {
        let mut driver = Driver::start(size);
        insta::assert_snapshot!(format!("connecting_{}x{}", size.0, size.1), driver.look());
    }
}
