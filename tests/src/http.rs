//! A small blocking HTTP/1.1 client that keeps its connection: enough for deliveries, logs and health. Must not know
//! what is asked for.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

pub struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    host: String,
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// "Not now, try again in a moment", as a program understands it.
    #[must_use]
    pub fn is_put_off(&self) -> bool {
        let seconds = self.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
        self.status == 503 && seconds.is_some_and(|seconds| seconds > 0)
    }

    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[must_use]
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("status {}, not JSON ({error}): {}", self.status, self.text()))
    }
}

impl Connection {
    /// # Errors
    /// When nobody listens at `address` (`host:port`).
    pub fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self::over(Box::new(stream), address))
    }

    /// # Errors
    /// When nobody listens at the socket.
    pub fn unix(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self::over(Box::new(stream), "localhost"))
    }

    fn over(stream: Box<dyn Stream>, host: &str) -> Self {
        Self { stream: BufReader::with_capacity(64 * 1024, stream), host: host.to_owned() }
    }

    /// # Errors
    /// When the other side closes or stays silent. An answer that comes before the whole body was taken is an answer.
    pub fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Response> {
        let mut message = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.host).into_bytes();
        for (name, value) in headers {
            message.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if !body.is_empty() || method == "POST" {
            message.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        message.extend_from_slice(b"\r\n");
        message.extend_from_slice(body);
        let sent = self.stream.get_mut().write_all(&message).and_then(|()| self.stream.get_mut().flush());
        self.response(method == "HEAD").map_err(|error| sent.err().unwrap_or(error))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn response(&mut self, without_body: bool) -> io::Result<Response> {
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let status = self.line()?;
        let status: u16 = status.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| bad(&status))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| bad(&line))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        if status == 100 {
            return self.response(without_body);
        }
        let mut response = Response { status, headers, body: Vec::new() };
        let chunked = response.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        let length = response.header("content-length").and_then(|length| length.parse::<usize>().ok());
        if without_body || status == 204 || status == 304 {
            return Ok(response);
        }
        if chunked {
            loop {
                let size = self.line()?;
                let size = usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16)
                    .map_err(|_| bad("chunk without a size"))?;
                let start = response.body.len();
                response.body.resize(start + size, 0);
                self.stream.read_exact(&mut response.body[start..])?;
                self.line()?;
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = length {
            response.body.resize(length, 0);
            self.stream.read_exact(&mut response.body)?;
        } else {
            self.stream.read_to_end(&mut response.body)?;
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers every connection's first request with these bytes.
    fn answers(bytes: &'static [u8]) -> Response {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = [0; 1024];
            let count = stream.read(&mut request).expect("a request");
            stream.write_all(bytes).expect("the client reads");
            String::from_utf8_lossy(&request[..count]).into_owned()
        });
        let mut connection = Connection::open(&address).expect("the server is there");
        let response = connection.request("POST", "/x", &[("A", "b")], b"body").expect("a response");
        let request = server.join().expect("the server's thread");
        assert_eq!(request, format!("POST /x HTTP/1.1\r\nHost: {address}\r\nA: b\r\nContent-Length: 4\r\n\r\nbody"));
        response
    }

    #[test]
    fn bodies_end_in_three_ways() {
        for answer in [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Y: z\r\n\r\nhello".as_slice(),
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nX-Y: z\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX-Y: z\r\n\r\nhello",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-Y: z\r\nContent-Length: 5\r\n\r\nhello",
        ] {
            let response = answers(answer);
            assert_eq!((response.status, response.text().as_str()), (200, "hello"));
            assert_eq!(response.header("x-y"), Some("z"));
        }
    }
}
