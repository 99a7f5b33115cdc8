//! How far inside an address lies, and the rule that is made of it.
//!
//! **The rule.** A provider's own host is the operator's word and is asked wherever it is. Any other host that a
//! discovery document names may not lie further inside than the issuer: a public issuer names public addresses only, one
//! in a private network names private and public ones, one on this machine names these and this machine. Link-local
//! addresses (the metadata services of clouds are there) and those that are no host's are never asked. An issuer lies as
//! far outside as the outermost of its addresses, and outside if its name can't be looked up. The addresses that were
//! judged are those that are connected to. Behind a proxy, which looks up names itself, only addresses that are written
//! out are judged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address lies; the further inside, the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// Nobody's host, or link-local.
    Never,
    /// This machine.
    Machine,
    /// A private network.
    Private,
    /// The Internet.
    Public,
}

impl Reach {
    /// Where this address lies (RFC 6890 and the IANA registries of special addresses).
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// Whether an issuer that lies here may name an address that lies there.
    pub(crate) fn may_name(self, named: Self) -> bool {
        named != Self::Never && named >= self
    }
}

fn of_v4(address: Ipv4Addr) -> Reach {
    let [a, b, c, _] = address.octets();
    let is_nobodys = address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation()
        || address.is_link_local()
        || a == 0
        || a >= 240
        || (a == 198 && (b & 0xfe) == 18)
        || (a == 192 && b == 0 && c == 0);
    match () {
        () if is_nobodys => Reach::Never,
        () if address.is_loopback() => Reach::Machine,
        () if address.is_private() || (a == 100 && (b & 0xc0) == 64) => Reach::Private,
        () => Reach::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Reach {
    let parts = address.segments();
    if address.is_loopback() {
        return Reach::Machine;
    }
    if (parts[0] & 0xfe00) == 0xfc00 {
        return Reach::Private;
    }
    // Addresses that carry an IPv4 one: NAT64 (RFC 6052) and 6to4 (RFC 3056) lie where that one lies.
    if parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return of_v4(embedded(parts[6], parts[7]));
    }
    if parts[0] == 0x2002 {
        return of_v4(embedded(parts[1], parts[2]));
    }
    let is_documentation = parts[0] == 0x2001 && parts[1] == 0xdb8;
    let is_teredo = parts[0] == 0x2001 && parts[1] == 0;
    // 2000::/3 is all that was ever given out.
    if (parts[0] & 0xe000) != 0x2000 || is_documentation || is_teredo { Reach::Never } else { Reach::Public }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(addresses: &[&str], reach: Reach) {
        for address in addresses {
            assert_eq!(Reach::of(address.parse().unwrap()), reach, "{address}");
        }
    }

    #[test]
    fn addresses_lie_where_the_registries_say() {
        all(
            &["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"],
            Reach::Public,
        );
        all(
            &[
                "10.0.0.1",
                "172.16.0.1",
                "192.168.1.1",
                "100.64.0.1",
                "fd00::1",
                "64:ff9b::a00:1",
                "2002:a00:1::",
                "::ffff:10.0.0.1",
            ],
            Reach::Private,
        );
        all(&["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"], Reach::Machine);
        all(
            &[
                "0.0.0.0",
                "169.254.169.254",
                "224.0.0.1",
                "255.255.255.255",
                "192.0.2.1",
                "198.18.0.1",
                "::",
                "fe80::1",
                "ff02::1",
                "2001:db8::1",
                "::ffff:169.254.169.254",
                "64:ff9b::a9fe:a9fe",
                "::7f00:1",
            ],
            Reach::Never,
        );
    }

    #[test]
    fn nothing_further_inside_may_be_named() {
        let inside_out = [Reach::Never, Reach::Machine, Reach::Private, Reach::Public];
        let allowed = |issuer: Reach| inside_out.map(|named| issuer.may_name(named));
        assert_eq!(allowed(Reach::Public), [false, false, false, true]);
        assert_eq!(allowed(Reach::Private), [false, false, true, true]);
        assert_eq!(allowed(Reach::Machine), [false, true, true, true]);
        assert_eq!(allowed(Reach::Never), [false, true, true, true]);
    }
}
