"""Shops that are asked: WooCommerce's REST API and Daraz's Open Platform, as far as they tell of orders,
for the channels of the partners file that have a url; and what they answer when they are not well.
https://woocommerce.github.io/woocommerce-rest-api-docs/#orders,
https://open.lazada.com/apps/doc/api?path=%2Forders%2Fget. Standard library only (python3 of Debian 12).

What they know is put there: PUT and DELETE /CHANNEL/_orders/ID (an older state never replaces a newer
one, and what was deleted stays so), and PUT /CHANNEL/_answers {"mode", "ms"} says how they answer from
then on: one of MODES."""

import base64
import json
import threading
import time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Mapping
from urllib.parse import parse_qsl, urlsplit

from . import signing
from .environment import Partner

MODES = {
    "good": "as they should",
    "rubbish": "200, and a page of HTML",
    "cut": "200, and half of what it should be",
    "large": "200, and more than anybody should read",
    "error": "500",
    "away": "nothing: the connection is closed",
    "late": "as they should, after so many ms",
    "never": "nothing, for so many ms",
}
LARGE = 16 * 1024 * 1024
TIME_MAX_MS = 120_000


def orders_url(api_url: str) -> str:
    """Where what a shop knows is put, by the address of its API."""
    parts = urlsplit(api_url)
    return f"{parts.scheme}://{parts.netloc}/{parts.path.split('/')[1]}/_orders"


class Refused(Exception):
    """Status and body of an answer that is no order."""


class Shop:
    """Any thread."""

    def __init__(self, channel: Partner) -> None:
        self.channel = channel
        self.lock = threading.Lock()
        self.orders: dict[str, dict] = {}
        self.deleted: set[str] = set()
        self.mode, self.ms = "good", 0
        self.asked = 0

    def put(self, order_id: str, record: dict) -> None:
        with self.lock:
            known = self.orders.get(order_id)
            if order_id not in self.deleted and (not known or self.changed(record) >= self.changed(known)):
                self.orders[order_id] = record

    def delete(self, order_id: str) -> None:
        with self.lock:
            self.deleted.add(order_id)
            self.orders.pop(order_id, None)

    def page(self, since: datetime, limit: int, offset: int) -> list[dict]:
        """Those that changed since then, oldest change first."""
        with self.lock:
            found = [row for row in self.orders.values() if self.changed(row) > since]
        return sorted(found, key=self.changed)[offset:offset + limit]

    def find(self, order_id: str) -> dict | None:
        with self.lock:
            return self.orders.get(order_id)

    def changed(self, record: dict) -> datetime:
        raise NotImplementedError

    def answer(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> object:
        """The body of a 200."""
        raise NotImplementedError


class WooShop(Shop):
    def changed(self, record: dict) -> datetime:
        return datetime.fromisoformat(record["date_modified_gmt"]).replace(tzinfo=timezone.utc)

    def answer(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> object:
        pair = ":".join(self.channel.api_secrets).encode()
        if headers.get("Authorization") != "Basic " + base64.b64encode(pair).decode():
            raise Refused(401, {"code": "woocommerce_rest_cannot_view", "data": {"status": 401}})
        rest = path.removeprefix("/wp-json/wc/v3/orders")
        if rest.startswith("/") and self.find(rest[1:]):
            return self.find(rest[1:])
        if rest or path == rest:
            raise Refused(404, {"code": "woocommerce_rest_shop_order_invalid_id", "data": {"status": 404}})
        if query.get("dates_are_gmt") != "true" or query.get("orderby") != "modified":
            raise Refused(400, {"code": "rest_invalid_param", "data": {"status": 400}})
        since = datetime.fromisoformat(query["modified_after"]).replace(tzinfo=timezone.utc)
        limit = int(query["per_page"])
        return self.page(since, limit, limit * (int(query.get("page", "1")) - 1))


class DarazShop(Shop):
    def changed(self, record: dict) -> datetime:
        return datetime.strptime(record["order"]["updated_at"], "%Y-%m-%d %H:%M:%S %z")

    def answer(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> object:
        api = path.removeprefix("/rest")
        rest = {name: value for name, value in query.items() if name != "sign"}
        if query.get("sign") != signing.daraz_call(self.channel.secret, api, rest):
            return {"code": "IncompleteSignature", "type": "ISV", "message": "The request signature does not conform"}
        if query["access_token"] != self.channel.api_secrets[0] or query["app_key"] != self.channel.app_key:
            return {"code": "IllegalAccessToken", "type": "ISV", "message": "The specified access token is invalid"}
        if api == "/orders/get":
            found = self.page(datetime.fromisoformat(query["update_after"]), int(query["limit"]),
                              int(query.get("offset", "0")))
            return {"code": "0", "data": {"count": len(found), "orders": [row["order"] for row in found]}}
        record = self.find(query.get("order_id", ""))
        member = {"/order/get": "order", "/order/items/get": "items"}.get(api)
        if not record or not member:
            return {"code": "16", "type": "ISP", "message": "E016: Invalid Order ID"}
        return {"code": "0", "data": record[member]}


SHOPS = {"woocommerce": WooShop, "lazada": DarazShop}


def open_shops(channels: Mapping[str, Partner]) -> dict[str, Shop]:
    return {name: SHOPS[channel.adapter](channel) for name, channel in channels.items()
            if channel.url and channel.adapter in SHOPS}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shops: dict[str, Shop] = {}

    def do_PUT(self) -> None:  # pylint: disable=invalid-name
        shop, path = self._shop()
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or "null")
        if shop and path.startswith("/_orders/"):
            shop.put(path.removeprefix("/_orders/"), body)
        elif shop and path == "/_answers" and body["mode"] in MODES:
            shop.mode, shop.ms = body["mode"], min(int(body.get("ms", 0)), TIME_MAX_MS)
        else:
            self._send(404, b"")
            return
        self._send(204, b"")

    def do_DELETE(self) -> None:  # pylint: disable=invalid-name
        shop, path = self._shop()
        if shop and path.startswith("/_orders/"):
            shop.delete(path.removeprefix("/_orders/"))
        self._send(204 if shop else 404, b"")

    def do_GET(self) -> None:  # pylint: disable=invalid-name
        shop, path = self._shop()
        if not shop:
            self._send(404, b"")
            return
        shop.asked += 1
        mode, ms = shop.mode, shop.ms
        if mode in ("late", "never"):
            time.sleep(ms / 1000)
        if mode in ("away", "never"):
            self.close_connection = True
            return
        query = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        try:
            status, body = 200, json.dumps(shop.answer(path, query, self.headers)).encode()
        except Refused as refused:
            status, body = refused.args[0], json.dumps(refused.args[1]).encode()
        except (KeyError, ValueError) as error:
            status, body = 400, json.dumps({"code": "rest_invalid_param", "message": str(error)}).encode()
        if mode == "rubbish":
            body = b"<!doctype html><title>Maintenance</title><p>Briefly unavailable.</p>\n"
        elif mode == "cut":
            body = body[:len(body) // 2]
        elif mode == "large":
            body = b"[" + b" " * LARGE + b"]"
        self._send(500 if mode == "error" else status, body)

    def _shop(self) -> tuple[Shop | None, str]:
        _, name, *rest = urlsplit(self.path).path.split("/")
        return self.shops.get(name), "/" + "/".join(rest)

    def _send(self, status: int, body: bytes) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # who asked has left
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # pylint: disable=redefined-builtin
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], shops: dict[str, Shop]) -> None:
        super().__init__(address, type("ShopHandler", (Handler,), {"shops": shops}))
