//! TLS towards PostgreSQL: certificates are always verified.

use std::sync::Arc;

use retinue_model::{Error, Result};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Trusts the certificates in the PEM file `root_certificate`, or those of the operating system, which are only read
/// if TLS is `wanted`.
pub(crate) fn connector(root_certificate: Option<&str>, wanted: bool) -> Result<MakeRustlsConnect> {
    let mut roots = RootCertStore::empty();
    match root_certificate {
        Some(path) => {
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(path, error))? {
                let certificate = certificate.map_err(|error| unreadable(path, error))?;
                roots.add(certificate).map_err(|error| unreadable(path, error))?;
            }
        }
        None if wanted => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        None => {}
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn unreadable(path: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::invalid(
        "invalid_database_url",
        format!("The certificate file {path} (sslrootcert in DATABASE_URL) can't be read: {error}."),
    )
    .because(error)
}
