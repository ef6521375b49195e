//! The settings of the commands that are clients of a running service.

use std::path::PathBuf;

use clap::Args;
use http::Uri;

use super::bad_usage;
use crate::error::Result;

/// The connection settings of a running service.
#[derive(Clone, Args)]
pub struct Service {
    /// Address of the service, such as `http://127.0.0.1:8080` or `https://tasks.example.com`
    #[arg(long, env = "OUTBOUND_TASKS_URL")]
    pub url: String,
    /// File with the authorities that the service's certificate may be of, in PEM form, instead of the system's
    #[arg(long, env = "OUTBOUND_TASKS_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// File with a certificate for a service that requires one of its clients, in PEM form
    #[arg(
        long,
        env = "OUTBOUND_TASKS_CLIENT_CERT",
        value_name = "FILE",
        requires = "client_key"
    )]
    pub client_cert: Option<PathBuf>,
    /// File with the private key of that certificate, in PEM form
    #[arg(
        long,
        env = "OUTBOUND_TASKS_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_cert"
    )]
    pub client_key: Option<PathBuf>,
    /// API key with the scope read; pass it in the environment variable to hide it from process listings
    #[arg(long, env = "OUTBOUND_TASKS_API_KEY", hide_env_values = true)]
    pub api_key: String,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Service")
    }
}

impl Service {
    /// Checks that the URL is a scheme and a host only. The error does not repeat it, as clap's own check would,
    /// because it may contain a secret.
    pub fn check(&self) -> Result<()> {
        let url: Result<Uri, _> = self.url.parse();
        let names_service = |url: &Uri| {
            let is_http = matches!(url.scheme_str(), Some("http" | "https"));
            let has_host = url.host().is_some_and(|host| !host.is_empty());
            let has_user = url.authority().is_some_and(|a| a.as_str().contains('@'));
            is_http && has_host && !has_user && url.path() == "/" && url.query().is_none()
        };
        match url.is_ok_and(|url| names_service(&url)) {
            true => Ok(()),
            false => Err(bad_usage(
                "--url must be a scheme and a host, such as http://127.0.0.1:8080 or https://tasks.example.com",
            )),
        }
    }
}
