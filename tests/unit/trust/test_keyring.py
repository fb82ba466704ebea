"""The keyring's rules, a test or more for each."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

import safeload
from safeload import EcdsaP256PrivateKey, EcdsaP384PrivateKey, Ed25519PrivateKey, Entry, HmacKey, Keyring

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)
KEY = HmacKey(bytes(range(32)))
OTHER = HmacKey(bytes(range(1, 33)))


def test_a_keyring_of_one_key_signs_if_the_key_can() -> None:
    """A public key alone verifies only."""
    private = Ed25519PrivateKey.generate()
    assert Keyring.of(private).signer == private
    assert Keyring.of(KEY).signer == KEY
    assert [entry.state for entry in Keyring.of(private.public).entries] == ["verify-only"]
    with pytest.raises(safeload.NoKeyError):
        _ = Keyring.of(private.public).signer


def test_two_active_keys_are_refused() -> None:
    """Rule 1: at most one key signs."""
    with pytest.raises(safeload.KeyringError, match="more than one"):
        Keyring([Entry(key=KEY, state="active"), Entry(key=OTHER, state="active")])


def test_the_active_key_signs() -> None:
    """Rule 1, whatever its position."""
    for order in (1, -1):
        ring = Keyring([Entry(key=KEY, state="active"), Entry(key=OTHER)][::order])
        assert ring.signer == KEY
        assert ring.active == Entry(key=KEY, state="active")
        assert ring.signer_for("any", NOW) == KEY


@pytest.mark.parametrize("state", ["verify-only", "revoked"])
def test_a_keyring_without_an_active_key_signs_nothing(state: Any) -> None:
    """Rule 1: a secret alone does not make a signer."""
    ring = Keyring([Entry(key=KEY, state=state)])
    assert ring.active is None
    with pytest.raises(safeload.NoKeyError, match="no key that signs"):
        ring.signer_for("any", NOW)
    with pytest.raises(safeload.NoKeyError):
        Keyring([]).signer_for("any", NOW)


@pytest.mark.parametrize(
    "members",
    [{}, {"names": ("churn*",)}, {"not_before": NOW - SECOND, "not_after": NOW + SECOND}],
    ids=["nothing else", "name", "window"],
)
def test_a_revoked_key_vouches_for_nothing(members: dict[str, Any]) -> None:
    """Rule 2, whatever else is said of it; the reason is told."""
    entry = Entry(key=KEY, state="revoked", reason="it was in a log", **members)
    with pytest.raises(safeload.KeyNotAllowed, match="it was in a log"):
        entry.admit("churn.joblib", NOW)
    with pytest.raises(safeload.KeyNotAllowed, match="no reason given"):
        dataclasses.replace(entry, reason=None).admit("churn.joblib", NOW)


def test_a_window_includes_both_ends() -> None:
    """Rule 3, to the microsecond."""
    entry = Entry(key=KEY, state="active", not_before=NOW, not_after=NOW + SECOND)
    for moment in (NOW, NOW + SECOND / 2, NOW + SECOND):
        entry.admit("any", moment)
        assert Keyring([entry]).signer_for("any", moment) == KEY
    for moment in (NOW - timedelta.resolution, NOW + SECOND + timedelta.resolution):
        with pytest.raises(safeload.KeyNotAllowed, match="not valid"):
            entry.admit("any", moment)
        with pytest.raises(safeload.KeyNotAllowed):
            Keyring([entry]).signer_for("any", moment)


def test_an_end_of_the_window_may_be_open() -> None:
    """Rule 3: None leaves it open."""
    ages = timedelta(days=365 * 500)
    Entry(key=KEY, not_before=NOW).admit("any", NOW + ages)
    Entry(key=KEY, not_after=NOW).admit("any", NOW - ages)
    Entry(key=KEY).admit("any", NOW + ages)


def test_a_window_is_the_same_in_every_time_zone() -> None:
    """Rule 3: moments are compared, not clock faces."""
    east = timezone(timedelta(hours=9))
    entry = Entry(key=KEY, not_before=NOW.astimezone(east), not_after=NOW.astimezone(east))
    entry.admit("any", NOW)
    with pytest.raises(safeload.KeyNotAllowed):
        entry.admit("any", NOW.replace(tzinfo=east))


def test_without_a_time_the_clock_counts() -> None:
    """Rule 3: the loader's own."""
    past = Keyring([Entry(key=KEY, state="active", not_after=datetime.now(UTC) - SECOND)])
    with pytest.raises(safeload.KeyNotAllowed):
        past.signer_for("any")
    assert Keyring([Entry(key=KEY, state="active", not_before=datetime.now(UTC) - SECOND)]).signer_for("any")


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("churn.joblib", ["churn.joblib"], ["Churn.joblib", "churn.joblib ", "churnxjoblib", ""]),
        ("*", ["", "a", "a/b", "a\nb"], []),
        ("churn*", ["churn", "churn/a.joblib", "churn.joblib"], ["a churn", "Churn", "chur"]),
        ("*.joblib", ["a.joblib", "a/b.joblib", ".joblib"], ["a.joblib.gz", "joblib", "a.JOBLIB"]),
        ("a?c", ["abc", "a/c", "aüc"], ["ac", "abbc"]),
        ("v[0-9]", ["v1"], ["v", "va", "v10"]),
        ("v[!0-9]", ["va"], ["v1"]),
        ("a[*]", ["a*"], ["ab", "a[*]"]),
        ("a.c", ["a.c"], ["abc"]),
        ("(a|b)+", ["(a|b)+"], ["a", "aa"]),
    ],
)
def test_a_pattern_admits_the_names_that_match_it_whole(
    pattern: str, fitting: list[str], others: list[str]
) -> None:
    """Rule 4; case counts on every platform."""
    entry = Entry(key=KEY, state="active", names=(pattern,))
    for name in fitting:
        entry.admit(name, NOW)
    for name in others:
        with pytest.raises(safeload.KeyNotAllowed, match="is for the names"):
            entry.admit(name, NOW)
        with pytest.raises(safeload.KeyNotAllowed):
            Keyring([entry]).signer_for(name, NOW)


def test_one_of_several_patterns_is_enough() -> None:
    """Rule 4."""
    entry = Entry(key=KEY, names=("a*", "b*"))
    entry.admit("apple", NOW)
    entry.admit("banana", NOW)
    with pytest.raises(safeload.KeyNotAllowed):
        entry.admit("cherry", NOW)


def test_a_keyring_does_not_change() -> None:
    """Rule 5: neither the keyring nor an entry can be assigned to, and the caller's list is copied."""
    entries = [Entry(key=KEY, state="active")]
    ring = Keyring(entries)
    entries.clear()
    assert ring.signer == KEY
    for thing, name in [(ring, "entries"), (ring, "origin"), (ring.entries[0], "state")]:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(thing, name, None)


def test_rotating_leaves_the_former_key_for_verifying() -> None:
    """Rule 5: another keyring comes out, and the first is as it was."""
    ring = Keyring.of(KEY)
    rotated = ring.with_entry(Entry(key=OTHER, state="active"))
    assert ring.signer == KEY
    assert rotated.signer == OTHER
    assert rotated.find(KEY.key_id) == Entry(key=KEY, state="verify-only")
    rotated.find(KEY.key_id).admit("any", NOW)  # type: ignore[union-attr]


def test_rotating_keeps_windows_and_patterns() -> None:
    """Rule 5: only the state of the former key is another one."""
    entry = Entry(key=KEY, state="active", names=("a*",), not_after=NOW)
    rotated = Keyring([entry]).with_entry(Entry(key=OTHER, state="active"))
    assert rotated.find(KEY.key_id) == dataclasses.replace(entry, state="verify-only")


def test_adding_a_key_that_only_verifies_leaves_the_signer() -> None:
    """Rule 5."""
    assert Keyring.of(KEY).with_entry(Entry(key=OTHER)).signer == KEY


def test_adding_a_key_twice_is_refused() -> None:
    """Two entries could contradict each other."""
    with pytest.raises(safeload.KeyringError, match="twice"):
        Keyring.of(KEY).with_entry(Entry(key=KEY))
    private = Ed25519PrivateKey.generate()
    with pytest.raises(safeload.KeyringError, match="twice"):
        Keyring([Entry(key=private), Entry(key=private.public)])


def test_revoking_makes_another_keyring() -> None:
    """Rule 5; the reason is kept, and only that key is concerned."""
    ring = Keyring.of(KEY).with_entry(Entry(key=OTHER))
    revoked = ring.revoked(KEY.key_id, "leaked")
    assert ring.signer == KEY
    assert revoked.active is None
    assert revoked.find(KEY.key_id) == Entry(key=KEY, state="revoked", reason="leaked")
    assert revoked.find(OTHER.key_id) == Entry(key=OTHER)


def test_revoking_an_unknown_key_is_refused() -> None:
    """A mistyped id must not pass for done."""
    for key_id in (OTHER.key_id, KEY.key_id[:12], ""):
        with pytest.raises(safeload.KeyringError, match="there is no key"):
            Keyring.of(KEY).revoked(key_id, "leaked")


@pytest.mark.parametrize("kind", [Ed25519PrivateKey, EcdsaP256PrivateKey, EcdsaP384PrivateKey])
def test_the_public_keyring_holds_no_secret(kind: Any) -> None:
    """Windows, patterns and revocations stay; nothing in it signs."""
    first, second, third = kind.generate(), kind.generate(), kind.generate()
    ring = Keyring(
        [
            Entry(key=first, state="active", names=("a*",), not_after=NOW),
            Entry(key=second, state="revoked", reason="leaked"),
            Entry(key=third.public),
        ]
    )
    public = ring.public()
    assert ring.has_secrets
    assert not public.has_secrets
    assert public.entries == (
        Entry(key=first.public, state="verify-only", names=("a*",), not_after=NOW),
        Entry(key=second.public, state="revoked", reason="leaked"),
        Entry(key=third.public),
    )
    assert public.find(first.key_id).key == first.public  # type: ignore[union-attr]


@pytest.mark.parametrize("state", ["active", "verify-only", "revoked"])
def test_a_keyring_with_an_hmac_key_has_no_public_one(state: Any) -> None:
    """It would publish the secret."""
    ring = Keyring([Entry(key=KEY, state=state), Entry(key=Ed25519PrivateKey.generate())])
    with pytest.raises(safeload.KeyringError, match="no public half"):
        ring.public()


def test_a_key_is_found_by_its_whole_id_only() -> None:
    """What an envelope names is no prefix and no pattern."""
    ring = Keyring.of(KEY)
    assert ring.find(KEY.key_id) is ring.entries[0]
    for key_id in (KEY.key_id[:63], KEY.key_id + "0", KEY.key_id.upper(), "", "*", OTHER.key_id):
        assert ring.find(key_id) is None


def test_keyrings_are_equal_by_their_entries() -> None:
    """One made anew of the same keys is the same."""
    assert Keyring.of(KEY) == Keyring.of(HmacKey(bytes(range(32))))
    assert Keyring.of(KEY) != Keyring.of(OTHER)
    assert Keyring.of(KEY) != Keyring([Entry(key=KEY)])


def test_a_public_key_that_is_to_sign_is_refused() -> None:
    """It cannot."""
    with pytest.raises(safeload.KeyringError, match="cannot sign"):
        Entry(key=Ed25519PrivateKey.generate().public, state="active")


@pytest.mark.parametrize(
    "members",
    [
        {"state": "Active"},
        {"state": ""},
        {"state": None},
        {"not_before": NOW.replace(tzinfo=None)},
        {"not_after": NOW.replace(tzinfo=None)},
        {"not_before": NOW, "not_after": NOW - SECOND},
        {"names": ()},
        {"names": ("a", "")},
        {"names": "churn"},
    ],
    ids=str,
)
def test_an_entry_that_contradicts_itself_is_refused(members: dict[str, Any]) -> None:
    """At once, and not when it first counts."""
    with pytest.raises(safeload.KeyringError):
        Entry(**{"key": KEY, **members})


@pytest.mark.parametrize("thing", [None, b"x" * 32, "key", object(), HmacKey])
def test_an_entry_is_made_of_a_key(thing: Any) -> None:
    """Anything else is the caller's mistake."""
    with pytest.raises(TypeError):
        Entry(key=thing)
