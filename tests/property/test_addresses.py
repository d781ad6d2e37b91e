"""What the standard library does not hold for global, the guard does not either."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.infrastructure.network.addresses import special, special_ranges


@given(
    st.ip_addresses()
    | st.integers(0, 2**32 - 1).map(IPv4Address)
    | st.sampled_from(special_ranges()).flatmap(lambda known: st.ip_addresses(network=known.network))
)
def test_what_is_not_global_is_special(address: IPv4Address | IPv6Address) -> None:
    if not address.is_global or address.is_multicast:
        assert special(address) is not None


@given(st.sampled_from(special_ranges()).flatmap(lambda known: st.ip_addresses(network=known.network)))
def test_no_address_of_a_special_range_is_public(address: IPv4Address | IPv6Address) -> None:
    assert special(address) is not None


@given(st.ip_addresses(v=4))
def test_what_a_translator_hides_is_judged_by_what_it_hides(address: IPv4Address) -> None:
    hidden = IPv6Address(int(IPv6Address("64:ff9b::")) | int(address))
    assert (special(hidden) is None) is (special(address) is None)


@given(st.ip_addresses(v=4))
def test_ipv4_in_other_ipv6_forms_is_never_public(address: IPv4Address) -> None:
    for form in ("::ffff:0:0", "::", "::ffff:0:0:0"):
        assert special(IPv6Address(int(IPv6Address(form)) | int(address))) is not None
