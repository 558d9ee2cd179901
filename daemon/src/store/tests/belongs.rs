//! A database belongs to one data folder.

use super::*;

on_each!(the_first_data_folder_has_it, one_that_was_given_up_is_the_next_ones,);

fn foreign(result: Result<(), StoreError>) -> String {
    match result {
        Err(StoreError::Foreign { other }) => other,
        other => panic!("it is another folder's: {other:?}"),
    }
}

async fn the_first_data_folder_has_it(store: Store) {
    store.is_of(None).await.expect("nobody's");
    store.is_of(Some("a")).await.expect("nobody's");
    store.belong_to("a").await.expect("the first");
    store.belong_to("a").await.expect("as before");
    store.is_of(Some("a")).await.expect("as before");
    assert_eq!(foreign(store.belong_to("b").await), "a");
    assert_eq!(foreign(store.is_of(Some("b")).await), "a");
    assert_eq!(foreign(store.is_of(None).await), "a");
}

async fn one_that_was_given_up_is_the_next_ones(store: Store) {
    store.belong_to("a").await.expect("the first");
    store.belong_to_nobody().await.expect("given up");
    store.belong_to("b").await.expect("the next");
    assert_eq!(foreign(store.belong_to("a").await), "b");
}
