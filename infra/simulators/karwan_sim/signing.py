"""Signatures of webhooks, as their senders make them. Standard library only (python3 of Debian 12).

Shopify and WooCommerce: base64 of HMAC-SHA256 over the body. Daraz: hex, over app key and body; its
API's calls: upper-case hex, over path and parameters. Standard Webhooks
(https://github.com/standard-webhooks/standard-webhooks): over id.timestamp.body, with a base64 key.
Stripe: hex over timestamp.body, with the key as it stands, prefix included."""

import base64
import binascii
import hashlib
import hmac
from typing import Mapping


def shopify(secret: str, body: bytes) -> str:
    mac = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return base64.b64encode(mac).decode()


def daraz_push(secret: str, app_key: str, body: bytes) -> str:
    return hmac.new(secret.encode(), app_key.encode() + body, hashlib.sha256).hexdigest()


def daraz_call(secret: str, path: str, parameters: Mapping[str, str]) -> str:
    text = path + "".join(name + parameters[name] for name in sorted(parameters))
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest().upper()


def standard_webhook(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    text = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"not a Standard Webhooks secret: {error}") from error
    mac = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()


def stripe(secret: str, timestamp: int, body: bytes) -> str:
    mac = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={mac}"
