"""Uses the values: signs with the private keys, and verifies with the public ones."""

import base64
import json
import subprocess
import tempfile
import uuid
from pathlib import Path


def check(value: str) -> str:
    """Raise unless each value is what its generator promises."""
    document = json.loads(value)
    if document["issuer"] != "https://issuer.example.com":
        raise RuntimeError("a key that does not rotate has changed")
    _sign_and_verify(document["private_key"], document["public_key"])
    _sign_and_verify(document["client_key"], document["client_public"])
    sizes = len(base64.b64decode(document["cookie_key"], validate=True)), len(bytes.fromhex(document["webhook_token"]))
    if sizes != (64, 20) or uuid.UUID(document["key_id"]).version != 4 or len(document["password"]) != 32:
        raise RuntimeError("a value has not the form that its generator promises")
    return "OpenSSL signs with both private keys and verifies with their public keys"


def _sign_and_verify(private: str, public: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {"private.pem": private, "public.pem": public, "text": "signed"}.items():
            (Path(folder) / name).write_text(text)
        for step in ("-sign private.pem -out signature", "-verify public.pem -signature signature"):
            command = ["openssl", "dgst", "-sha256", *step.split(), "text"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
