//! Whose fault it is that an image cannot be had: told from the words of engines and registries, for they have no codes for
//! it. Pure.

use super::call::is_full;
use crate::engine::TroubleKind;

/// What a failed pull means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The job's fault; what the person who wrote it can do.
    Job(&'static str),
    /// Not the job's: trying again may help.
    Ours(TroubleKind),
}

const NAME: &str = "check its name and tag; if the registry is a private one, the engine has to be logged in there";
const DENIED: &str = "the registry does not give it to this engine: check its name, and log the engine in there";
const PLATFORM: &str = "the registry has it for other kinds of machines only: choose a tag for this one";
const WORDING: &str = "`image:` has to read registry/name:tag in lower-case letters";
const FORMAT: &str =
    "the registry has it in a form that this engine does not understand: push it anew or choose another tag";

/// What each means, the first that is found counts. All in lower case.
const MEANINGS: &[(&str, Meaning)] = {
    use Meaning::{Job, Ours};
    use TroubleKind::{Fault, RateLimit, Registry};
    &[
        // Registries say "denied" to whoever asks too often, too.
        ("toomanyrequests", Ours(RateLimit)),
        ("too many requests", Ours(RateLimit)),
        ("rate limit", Ours(RateLimit)),
        // The way to the registry. Before the words for its answers: error texts quote addresses and earlier answers.
        ("no such host", Ours(Registry)),
        ("temporary failure in name resolution", Ours(Registry)),
        ("server misbehaving", Ours(Registry)),
        ("connection refused", Ours(Registry)),
        ("connection reset", Ours(Registry)),
        ("network is unreachable", Ours(Registry)),
        ("no route to host", Ours(Registry)),
        ("i/o timeout", Ours(Registry)),
        ("tls handshake timeout", Ours(Registry)),
        ("timeout exceeded", Ours(Registry)),
        ("request canceled", Ours(Registry)),
        ("context canceled", Ours(Registry)),
        ("deadline exceeded", Ours(Registry)),
        ("timed out", Ours(Registry)),
        ("unexpected eof", Ours(Registry)),
        ("broken pipe", Ours(Registry)),
        ("x509:", Ours(Registry)),
        ("http response to https client", Ours(Registry)),
        ("internal server error", Ours(Registry)),
        ("bad gateway", Ours(Registry)),
        ("service unavailable", Ours(Registry)),
        ("gateway timeout", Ours(Registry)),
        ("received unexpected http status: 5", Ours(Registry)),
        ("status code 5", Ours(Registry)),
        ("status: 5", Ours(Registry)),
        ("http 429", Ours(RateLimit)),
        // Damaged on its way.
        ("filesystem layer verification failed", Ours(Registry)),
        ("digest mismatch", Ours(Registry)),
        ("failed to verify", Ours(Registry)),
        // The engine's own.
        ("failed to register layer", Ours(Fault)),
        ("driver failed", Ours(Fault)),
        ("read-only file system", Ours(Fault)),
        // The answers.
        ("invalid reference format", Job(WORDING)),
        ("repository name must be lowercase", Job(WORDING)),
        ("invalid repository name", Job(WORDING)),
        ("invalid tag", Job(WORDING)),
        ("invalid checksum digest", Job(WORDING)),
        ("no matching manifest for", Job(PLATFORM)),
        ("cannot be used on this platform", Job(PLATFORM)),
        ("does not match the specified platform", Job(PLATFORM)),
        ("manifest unknown", Job(NAME)),
        ("manifest for", Job(NAME)), // "… not found"
        ("repository does not exist", Job(NAME)),
        ("name unknown", Job(NAME)),
        ("no basic auth credentials", Job(DENIED)),
        ("authentication required", Job(DENIED)),
        ("unauthorized", Job(DENIED)),
        ("incorrect username or password", Job(DENIED)),
        ("access forbidden", Job(DENIED)),
        ("denied", Job(DENIED)),
        ("403 forbidden", Job(DENIED)),
        ("unsupported media type", Job(FORMAT)),
        ("unsupported manifest", Job(FORMAT)),
        ("mediatype in manifest", Job(FORMAT)),
        ("missing signature key", Job(FORMAT)),
        ("not found", Job(NAME)),
        ("no such image", Job(NAME)),
        ("not implemented", Job(FORMAT)), // a manifest of version 1
    ]
};

/// What the failure of a pull means, by the engine's status and words.
pub(super) fn of_pull(status: u16, message: &str) -> Meaning {
    if is_full(message) {
        return Meaning::Ours(TroubleKind::Full);
    }
    let message = message.to_ascii_lowercase();
    if let Some((_, meaning)) = MEANINGS.iter().find(|(words, _)| message.contains(words)) {
        return *meaning;
    }
    match status {
        400 => Meaning::Job(WORDING),
        401 | 403 => Meaning::Job(DENIED),
        404 => Meaning::Job(NAME),
        429 => Meaning::Ours(TroubleKind::RateLimit),
        // Words that nobody knew: an honest job had better be tried again than be called broken.
        _ => Meaning::Ours(TroubleKind::Fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_words_of_engines_and_registries() {
        use TroubleKind::{Fault, Full, RateLimit, Registry};
        let (job, ours) = (Meaning::Job, Meaning::Ours);
        let table = [
            (404, "manifest for alpine:9.99 not found: manifest unknown: manifest unknown", job(NAME)),
            (404, "manifest for 127.0.0.1:5000/app:2 not found: manifest unknown", job(NAME)),
            (
                404,
                "pull access denied for nobody/nothing, repository does not exist or may require 'docker login': denied: \
                 requested access to the resource is denied",
                job(NAME),
            ),
            (404, "repository name not known to registry: name unknown", job(NAME)),
            (500, "Error response from daemon: No such image: app:1", job(NAME)),
            (500, "Get https://registry.example.org/v2/app/manifests/1: no basic auth credentials", job(DENIED)),
            (500, "Head \"https://ghcr.io/v2/acme/app/manifests/1\": unauthorized", job(DENIED)),
            (500, "Head \"https://ghcr.io/v2/acme/app/manifests/1\": denied", job(DENIED)),
            (500, "unauthorized: authentication required", job(DENIED)),
            (500, "error parsing HTTP 403 response body: unexpected end of JSON input: \"\"", ours(Fault)),
            (403, "something nobody has seen", job(DENIED)),
            (400, "invalid reference format", job(WORDING)),
            (400, "invalid reference format: repository name must be lowercase", job(WORDING)),
            (404, "no matching manifest for linux/arm64/v8 in the manifest list entries", job(PLATFORM)),
            (500, "image operating system \"windows\" cannot be used on this platform", job(PLATFORM)),
            (500, "mediaType in manifest should be 'x' not 'y'", job(FORMAT)),
            (
                500,
                "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and \
                 upgrading: https://www.docker.com/increase-rate-limit",
                ours(RateLimit),
            ),
            (500, "received unexpected HTTP status: 429 Too Many Requests", ours(RateLimit)),
            (429, "slow down", ours(RateLimit)),
            (
                500,
                "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io on 10.0.0.2:53: no such host",
                ours(Registry),
            ),
            (
                500,
                "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: Temporary failure in name \
                 resolution",
                ours(Registry),
            ),
            (500, "Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused", ours(Registry)),
            (500, "Get \"https://r.example.org/v2/\": net/http: TLS handshake timeout", ours(Registry)),
            (
                500,
                "Get \"https://r.example.org/v2/\": net/http: request canceled while waiting for connection (Client.Timeout \
                 exceeded while awaiting headers)",
                ours(Registry),
            ),
            (500, "Get \"https://r.example.org/v2/\": context deadline exceeded", ours(Registry)),
            (500, "read tcp 10.0.0.5:40112->34.1.2.3:443: read: connection reset by peer", ours(Registry)),
            (500, "dial tcp 34.1.2.3:443: i/o timeout", ours(Registry)),
            (500, "dial tcp 34.1.2.3:443: connect: network is unreachable", ours(Registry)),
            (500, "received unexpected HTTP status: 500 Internal Server Error", ours(Registry)),
            (500, "received unexpected HTTP status: 503 Service Unavailable", ours(Registry)),
            (500, "error pulling image configuration: unexpected EOF", ours(Registry)),
            (500, "x509: certificate has expired or is not yet valid", ours(Registry)),
            (500, "http: server gave HTTP response to HTTPS client", ours(Registry)),
            (500, "filesystem layer verification failed for digest sha256:00", ours(Registry)),
            (
                500,
                "failed to register layer: Error processing tar file(exit status 1): write /usr/lib/x: no space left on \
                 device",
                ours(Full),
            ),
            (500, "write /var/lib/docker/tmp/GetImageBlob1: no space left on device", ours(Full)),
            (500, "failed to register layer: devmapper: Thin Pool has free data blocks which is less", ours(Fault)),
            (500, "", ours(Fault)),
            (502, "what is this", ours(Fault)),
        ];
        for (status, message, expected) in table {
            assert_eq!(of_pull(status, message), expected, "{status} {message}");
        }
    }
}
