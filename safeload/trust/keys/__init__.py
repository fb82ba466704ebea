"""Signing and verifying keys, and the keyring that says what each is accepted for."""

from safeload.trust.keys.asymmetric import EcdsaP256PrivateKey as EcdsaP256PrivateKey
from safeload.trust.keys.asymmetric import EcdsaP256PublicKey as EcdsaP256PublicKey
from safeload.trust.keys.asymmetric import EcdsaP384PrivateKey as EcdsaP384PrivateKey
from safeload.trust.keys.asymmetric import EcdsaP384PublicKey as EcdsaP384PublicKey
from safeload.trust.keys.asymmetric import Ed25519PrivateKey as Ed25519PrivateKey
from safeload.trust.keys.asymmetric import Ed25519PublicKey as Ed25519PublicKey
from safeload.trust.keys.asymmetric import load_private_pem as load_private_pem
from safeload.trust.keys.asymmetric import load_public_pem as load_public_pem
from safeload.trust.keys.base import KeyId as KeyId
from safeload.trust.keys.base import SigningKey as SigningKey
from safeload.trust.keys.base import VerifyingKey as VerifyingKey
from safeload.trust.keys.entry import Entry as Entry
from safeload.trust.keys.hmac_key import HmacKey as HmacKey
from safeload.trust.keys.keyring import Keyring as Keyring
