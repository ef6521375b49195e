//! Where a call comes from: the address of its client, also behind proxies.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::domain::rate::Limit;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The unit of the limits per address: an IPv4 address, or the first 64 bits of an IPv6 address. A client usually has a
/// whole IPv6 network of that size, so a limit of its single addresses would limit nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(IpAddr);

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                IpAddr::V6(Ipv6Addr::from(network))
            }
            address => address,
        })
    }
}

/// A network of addresses, as `10.0.0.0/8` or `2001:db8::/32`; a single address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Parses an address or a network. Returns the error as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
        let network = text.parse().ok().or_else(single);
        network.map(Self).ok_or_else(|| {
            "must be an address or a network, such as 10.0.0.0/8 or 2001:db8::1".to_owned()
        })
    }
}

/// The trusted proxies: those whose word about the address of a client is taken.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Arc<[Network]>);

impl Proxies {
    /// The proxies of these networks.
    pub fn new(networks: &[Network]) -> Self {
        Self(networks.into())
    }

    /// Whether the address is that of a trusted proxy.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.0.contains(&address))
    }

    /// The address of the client whose request arrived from `peer`. If that is a trusted proxy, it is the last address
    /// of X-Forwarded-For that is not a trusted proxy's. Each proxy appends the address that it saw, so all that comes
    /// before may be invented.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        if !self.contains(peer) {
            return peer;
        }
        let values = headers.get_all(&FORWARDED_FOR).into_iter().rev();
        let mut nearest = values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
        while self.contains(client)
            && let Some(address) = nearest.next().and_then(forwarded_address)
        {
            client = address;
        }
        client
    }
}

/// The limits of what comes from one address.
#[derive(Debug, Clone, Default)]
pub struct AddressLimits {
    /// The maximum number of open connections; a further one is refused. `None` if there is no limit.
    pub connections: Option<usize>,
    /// The rate of calls without a valid key; further ones are refused.
    pub failed_keys: Limit,
    /// The proxies whose word about the address of a client is taken.
    pub proxies: Proxies,
}

/// An address of X-Forwarded-For. Some proxies append the port.
fn forwarded_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    fn proxies(networks: &[&str]) -> Proxies {
        let parse = |text: &&str| Network::parse(text).expect(text);
        Proxies::new(&networks.iter().map(parse).collect::<Vec<_>>())
    }

    #[test]
    fn networks_contain_their_addresses() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.1.2.3/8", "10.0.0.1", "11.0.0.0"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("192.168.4.0/22", "192.168.7.255", "192.168.8.0"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::"),
            ("::1", "::1", "::2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
        ] {
            let proxies = proxies(&[network]);
            assert!(proxies.contains(ip(inside)), "{network} {inside}");
            assert!(!proxies.contains(ip(outside)), "{network} {outside}");
        }
        for bad in ["", "/8", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/x", "host"] {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_client_cannot_invent_its_address() {
        let proxies = proxies(&["10.0.0.0/8", "::1"]);
        for (peer, values, client) in [
            // A peer that is no trusted proxy is not believed.
            ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            // Only what a proxy appended counts.
            ("10.0.0.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            (
                "10.0.0.1",
                &["1.1.1.1", "203.0.113.9,10.0.0.7"],
                "203.0.113.9",
            ),
            ("10.0.0.1", &["203.0.113.9", "10.0.0.7"], "203.0.113.9"),
            ("::1", &["[2001:db8::5]:443, 10.0.0.7"], "2001:db8::5"),
            ("::1", &["[2001:db8::5]"], "2001:db8::5"),
            ("10.0.0.1", &["203.0.113.9:1234"], "203.0.113.9"),
            ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
            // What is no address ends the search at the proxy that sent it.
            ("10.0.0.1", &["203.0.113.9, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9, unknown, 10.0.0.3"], "10.0.0.3"),
            ("10.0.0.1", &[""], "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(FORWARDED_FOR, value.parse().expect("a header value"));
            }
            let found = proxies.client(ip(peer), &headers);
            assert_eq!(found, ip(client), "{peer} {values:?}");
        }
    }

    #[test]
    fn ipv6_is_limited_by_network() {
        let origin = |text| Origin::from(ip(text));
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:1"));
        assert_ne!(origin("2001:db8:0:1::1"), origin("2001:db8::1"));
        assert_eq!(origin("::ffff:1.2.3.4"), origin("1.2.3.4"));
        assert_ne!(origin("1.2.3.4"), origin("1.2.3.5"));
    }
}
