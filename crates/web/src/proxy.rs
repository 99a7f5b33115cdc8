//! Where a request comes from, when proxies stand in front.

use std::net::IpAddr;
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Networks whose word is taken for where a request comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// An address, or all that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl TrustedProxies {
    /// Reads addresses and networks (`10.0.0.0/8`).
    ///
    /// # Errors
    /// The one that is neither.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        texts.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.has(address))
    }

    /// Where a request comes from: the peer, or what the outermost proxy that is trusted says. Whatever stands further left
    /// in the header, anybody may have written.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let forwarded = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).map(str::trim).collect();
        for hop in hops.into_iter().rev() {
            match hop.parse::<IpAddr>() {
                Ok(hop) if self.trusts(client) => client = hop.to_canonical(),
                _ => break,
            }
        }
        client
    }
}

impl Network {
    fn has(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let shift = 32 - self.prefix;
                u64::from(ours.to_bits()) >> shift == u64::from(theirs.to_bits()) >> shift
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differing = ours.to_bits() ^ theirs.to_bits();
                differing.leading_zeros() >= self.prefix
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("“{text}” is neither an address nor a network such as 10.0.0.0/8.");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let address = address.to_canonical();
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), |prefix| prefix.parse().map_err(|_| invalid()))?;
        if prefix > longest { Err(invalid()) } else { Ok(Self { address, prefix }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(proxies: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let proxies = TrustedProxies::new(proxies.iter().copied()).unwrap();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client(&[], "10.0.0.1", &["192.0.2.7"]), "10.0.0.1");
        assert_eq!(client(&["10.0.0.1"], "10.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(client(&["10.0.0.0/8"], "::ffff:10.9.9.9", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(client(&["10.0.0.0/8"], "10.1.1.1", &["1.1.1.1, 192.0.2.7, 10.2.2.2"]), "192.0.2.7");
        assert_eq!(client(&["10.0.0.0/8"], "10.1.1.1", &["1.1.1.1", "192.0.2.7"]), "192.0.2.7");
        assert_eq!(client(&["10.0.0.0/8"], "10.1.1.1", &["192.0.2.7, nonsense"]), "10.1.1.1");
        assert_eq!(client(&["10.0.0.0/8"], "11.0.0.1", &["192.0.2.7"]), "11.0.0.1");
        assert_eq!(client(&["0.0.0.0/0"], "11.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(client(&["2001:db8::/32"], "2001:db8:1::1", &["2001:db9::2"]), "2001:db9::2");
        assert_eq!(client(&["::1/128"], "::2", &["192.0.2.7"]), "::2");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "proxy", "10.0.0.0/33", "10.0.0.0/-1", "::1/129", "10.0.0.0/8/8"] {
            assert!(TrustedProxies::new([text]).is_err(), "{text}");
        }
    }
}
