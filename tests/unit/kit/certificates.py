"""Certificates as the tests need them: of any name, signed by any other."""

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Identity:
    """A certificate and its key."""

    x509: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate(self) -> str:
        return self.x509.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def private_key(self) -> str:
        return self.key_pem(serialization.NoEncryption())

    def key_pem(self, encryption: serialization.KeySerializationEncryption) -> str:
        made = self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        return made.decode()


def issue(
    name: str,
    by: Identity | None = None,
    *,
    is_ca: bool = False,
    days: int = 2,
    critical: bool = True,
    has_names: bool = True,
) -> Identity:
    """A certificate for ``name``, signed by ``by`` or by itself; as plain as databases make them."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.x509.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=3))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=critical)
    )
    if has_names and not is_ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return Identity(builder.sign(by.key if by else key, hashes.SHA256()), key)


def server(folder: Path, *chain: Identity) -> ssl.SSLContext:
    """A server's side: its own certificate, and those between it and the root."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file = folder / "server.pem"
    file.write_text(chain[0].private_key + "".join(one.certificate for one in chain))
    made.load_cert_chain(file)
    return made
