//! Looking up names, with an eye on those that somebody else chose; the rule is in [`crate::reach`].

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::issuer::is_localhost;
use crate::reach::Reach;

/// How many foreign hosts one provider may name in its time.
const MAX_WATCHED: usize = 64;

/// Looks up names for one provider's requests.
#[derive(Clone, Default)]
pub(crate) struct Resolver {
    /// Hosts that a document named, and where the issuer lies.
    watched: Arc<RwLock<HashMap<String, Reach>>>,
}

/// An address lies further inside than the issuer that names it.
#[derive(Debug)]
pub(crate) struct Inside {
    host: String,
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lies further inside than the issuer that names it, or is not where it says", self.host)
    }
}

impl std::error::Error for Inside {}

impl Resolver {
    /// Whether `url` may be asked for `issuer`, as far as that shows before its name is looked up; a foreign name is
    /// watched from now on.
    pub(crate) async fn permit(&self, url: &Url, issuer: &Url) -> Result<(), Inside> {
        if url.host() == issuer.host() {
            return Ok(());
        }
        let host = url.host_str().unwrap_or_default();
        let inside = || Inside { host: host.to_owned() };
        let issuer = reach_of(issuer).await;
        let written_out = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(name)) => return self.watch(name, issuer).map_err(|()| inside()),
            None => return Err(inside()),
        };
        if issuer.may_name(Reach::of(written_out)) { Ok(()) } else { Err(inside()) }
    }

    fn watch(&self, name: &str, issuer: Reach) -> Result<(), ()> {
        let mut watched = self.watched.write().unwrap_or_else(PoisonError::into_inner);
        if watched.len() >= MAX_WATCHED && !watched.contains_key(name) {
            return Err(());
        }
        watched.insert(name.to_owned(), issuer);
        Ok(())
    }

    fn watching(&self, name: &str) -> Option<Reach> {
        self.watched.read().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let issuer = self.watching(name.as_str());
        Box::pin(async move {
            let addresses = look_up(name.as_str()).await?;
            judge(name.as_str(), issuer, &addresses)?;
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// Where an issuer lies: as far outside as the outermost of its addresses, and outside if there is none.
async fn reach_of(issuer: &Url) -> Reach {
    let addresses = match issuer.host() {
        Some(Host::Ipv4(address)) => vec![IpAddr::V4(address)],
        Some(Host::Ipv6(address)) => vec![IpAddr::V6(address)],
        Some(Host::Domain(name)) => match look_up(name).await {
            Ok(found) => found.iter().map(SocketAddr::ip).collect(),
            Err(_) => Vec::new(),
        },
        None => Vec::new(),
    };
    addresses.into_iter().map(Reach::of).max().unwrap_or(Reach::Public)
}

async fn look_up(name: &str) -> std::io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
}

/// One address inside refuses the name: whoever mixes them is trying something. A name that says it is this machine must
/// be: http is good enough for it.
fn judge(name: &str, issuer: Option<Reach>, addresses: &[SocketAddr]) -> Result<(), Inside> {
    let is_fit = |address: &SocketAddr| {
        let reach = Reach::of(address.ip());
        issuer.is_none_or(|issuer| issuer.may_name(reach)) && (!is_localhost(name) || reach == Reach::Machine)
    };
    if addresses.iter().all(is_fit) { Ok(()) } else { Err(Inside { host: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_name_with_one_address_inside_is_refused() {
        let address = |text: &str| SocketAddr::new(text.parse().unwrap(), 0);
        let mixed = [address("1.1.1.1"), address("10.0.0.1")];
        assert!(judge("a", None, &mixed).is_ok());
        assert!(judge("a", Some(Reach::Private), &mixed).is_ok());
        assert!(judge("a", Some(Reach::Public), &mixed).is_err());
        assert!(judge("a", Some(Reach::Public), &mixed[..1]).is_ok());
        assert!(judge("a", Some(Reach::Machine), &[address("169.254.169.254")]).is_err());
        assert!(judge("a.localhost", None, &mixed).is_err(), "http would leave this machine");
        assert!(judge("a.localhost", None, &[address("127.0.0.1"), address("::1")]).is_ok());
    }

    #[tokio::test]
    async fn addresses_that_are_written_out_are_judged_at_once() {
        let issuer = Url::parse("https://1.1.1.1/").unwrap();
        let permit = async |url: &str| Resolver::default().permit(&Url::parse(url).unwrap(), &issuer).await.is_ok();
        assert!(permit("https://1.1.1.1:8443/keys").await);
        assert!(permit("https://8.8.8.8/keys").await);
        assert!(permit("https://keys.example/").await);
        for inside in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://169.254.169.254/",
            "https://10.0.0.1/",
            "https://[::ffff:10.0.0.1]/",
        ] {
            assert!(!permit(inside).await, "{inside}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused_when_it_is_looked_up() {
        let resolver = Resolver::default();
        let public = Url::parse("https://1.1.1.1/").unwrap();
        resolver.permit(&Url::parse("https://localhost/keys").unwrap(), &public).await.unwrap();
        let Err(error) = resolver.resolve("localhost".parse().unwrap()).await else { panic!("it was looked up") };
        assert!(error.is::<Inside>(), "{error}");
    }

    #[tokio::test]
    async fn a_provider_names_so_many_hosts_at_most() {
        let resolver = Resolver::default();
        let issuer = Url::parse("https://1.1.1.1/").unwrap();
        let mut refused = 0;
        for n in 0..MAX_WATCHED + 3 {
            let url = Url::parse(&format!("https://h{n}.example/")).unwrap();
            refused += usize::from(resolver.permit(&url, &issuer).await.is_err());
        }
        assert_eq!(refused, 3);
    }
}
