//! What the terminal commands say about a wrong option for TLS: one sentence with the cause and the option.

use std::process::Command;

use crate::support::{
    server::Server,
    terminal::{command, fail},
    tls::{Authority, Secure},
};

/// Fails at once, and says that the service at `url` cannot be reached, and why.
async fn assert_says(mut command: Command, url: &str, why: &str) {
    command.env("OUTBOUND_TASKS_URL", url);
    let said = fail(command, 1).await;
    let wanted = format!("outbound-tasks: the service at {url}/ cannot be reached: {why}");
    assert!(said.starts_with(&wanted), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_scheme_is_named() {
    let plain = Server::start().await;
    let secure = Secure::start(&[]).await;
    for name in ["list", "watch"] {
        let list = command(plain.address, &plain.key, &[name]);
        let why = "it does not speak TLS there; use http:// in --url";
        assert_says(list, &format!("https://{}", plain.address), why).await;
        let list = secure.command(&[name]);
        let why = "it speaks TLS; use https:// in --url";
        assert_says(list, &format!("http://{}", secure.process.address), why).await;
        let why = "what answers there is not its port for calls (--listen): ";
        let list = secure.command(&[name]);
        assert_says(list, &format!("http://{}", secure.process.admin), why).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fault_of_a_certificate_is_named() {
    let secure = Secure::start(&[]).await;
    let files = &secure.files;
    let url = format!("https://{}", secure.process.address);
    let [ca, other] = ["ca.pem", "other.pem"].map(|name| files.path(name).display().to_string());
    files.write("other.pem", &Authority::new("another").pem);
    let why = "its certificate is signed by no authority that this system trusts; name the file of the one that signed it by \
        --ca-file";
    assert_says(secure.command(&["list"]), &url, why).await;
    let why = format!("its certificate is signed by no authority in {other}; name the file");
    assert_says(secure.command(&["list", "--ca-file", &other]), &url, &why).await;
    let [cert, key] = ["cert.pem", "other.key"].map(|name| files.path(name).display().to_string());
    files.write("other.key", &secure.authority.server("other").key);
    let flags = [
        "list",
        "--ca-file",
        &ca,
        "--client-cert",
        &cert,
        "--client-key",
        &key,
    ];
    let said = fail(secure.command(&flags), 1).await;
    let wanted = format!(
        "--client-cert {cert} with --client-key {key} cannot be used: the key is not that of the certificate"
    );
    assert!(said.contains(&wanted), "{said}");

    for (name, pair, why) in [
        (
            "expired",
            secure.authority.expired("expired"),
            "its certificate has expired; renew it on the server",
        ),
        (
            "future",
            secure.authority.future("future"),
            "its certificate is not valid yet; compare the clocks",
        ),
        (
            "elsewhere",
            secure.authority.elsewhere("elsewhere.test"),
            "its certificate is for elsewhere.test; use a name that is in it in --url",
        ),
    ] {
        let secure = Secure::start_with(&[], |files, _| {
            files.renew(&pair);
            Vec::new()
        })
        .await;
        secure.files.write(name, "");
        let list = secure.command(&["list", "--ca-file", &ca]);
        assert_says(list, &format!("https://{}", secure.process.address), why).await;
    }
}

/// With TLS 1.3 the service refuses the client after the client's part of the handshake.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_client_certificate_is_named() {
    let secure = Secure::start_with(&["--tls-client-auth=require"], |files, authority| {
        files.write("clients.pem", &authority.pem);
        vec![files.flag("--tls-client-ca", "clients.pem")]
    })
    .await;
    let url = format!("https://{}", secure.process.address);
    let [ca, cert, key] =
        ["ca.pem", "c.pem", "c.key"].map(|name| secure.files.path(name).display().to_string());
    for name in ["list", "watch"] {
        let list = secure.command(&[name, "--ca-file", &ca]);
        assert_says(list, &url, "").await;
        let said = fail(secure.command(&[name, "--ca-file", &ca]), 1).await;
        assert!(
            said.contains("set --client-cert and --client-key"),
            "{said}"
        );
        let stranger = Authority::new("another").client("stranger");
        secure.files.write("c.pem", &stranger.cert);
        secure.files.write("c.key", &stranger.key);
        let flags = [
            name,
            "--ca-file",
            &ca,
            "--client-cert",
            &cert,
            "--client-key",
            &key,
        ];
        let said = fail(secure.command(&flags), 1).await;
        assert!(
            said.contains(&format!("the certificate of --client-cert {cert}")),
            "{said}"
        );
    }
}
