"""What marketplaces write about an order: as Shopify and WooCommerce send it, as Daraz pushes and
tells it, and in our own order schema. Standard library only (python3 of Debian 12)."""

import html
import json
from datetime import datetime, timezone

from .catalogue import money
from .orders import Buyer, Line, Order, PLACES


def timestamp(at: datetime) -> str:
    return at.astimezone(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def _decimal(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02}"


def _write(body: dict) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def karwan_body(order: Order, kind: str, at: datetime) -> bytes:
    """schemas/events/karwan.order.posted.v1.json; kind: created, updated, cancelled or paid."""
    country, region, city, postcode, line1, phone = order.buyer.place
    c = order.currency
    ship_to = {"name": order.buyer.name, "line1": line1, "city": city, "region": region,
               "country": country, "phone": phone}
    if postcode:
        ship_to["postcode"] = postcode
    data = {
        "order_id": order.external_id, "number": order.number,
        "placed_at": timestamp(order.placed_at), "currency": c, "test": False,
        "cod": order.pays == "COD", "email": order.buyer.email,
        "financial_status": "paid" if kind == "paid" else "pending",
        "total": money(order.total, c), "lines_total": money(order.gross, c),
        "shipping": money(order.shipping, c), "tax": money(0, c),
        "discount": money(order.discount, c), "ship_to": ship_to,
        "lines": [
            {"line_id": line.line_id, "sku": line.sku, "title": line.title,
             "quantity": line.quantity, "price": money(line.price, c),
             "discount": money(line.discount, c)}
            for line in order.lines
        ],
    }
    if kind == "cancelled":
        data["cancel_reason"] = "customer"
    return _write({"type": f"order.{kind}", "timestamp": timestamp(at), "data": data})


def shopify_body(order: Order, kind: str, at: datetime) -> bytes:
    """https://shopify.dev/docs/api/admin-rest/latest/resources/order; slashes as Shopify writes
    them, so that a signature over anything but the bytes received does not fit."""
    c = order.currency
    gateway = "Cash on Delivery (COD)" if order.pays == "COD" else "shopify_payments"
    shipping = {"amount": _decimal(order.shipping), "currency_code": c}
    body = {
        "id": int(order.external_id), "name": order.number, "order_number": int(order.number[1:]),
        "email": order.buyer.email, "created_at": timestamp(order.placed_at),
        "updated_at": timestamp(at), "cancelled_at": None, "cancel_reason": None, "test": False,
        "currency": c, "presentment_currency": c, "gateway": None,
        "payment_gateway_names": [gateway],
        "financial_status": "paid" if kind == "paid" else "pending", "fulfillment_status": None,
        "total_line_items_price": _decimal(order.gross),
        "subtotal_price": _decimal(order.gross - order.discount),
        "total_discounts": _decimal(order.discount), "total_tax": "0.00",
        "total_price": _decimal(order.total),
        "total_shipping_price_set": {"shop_money": shipping, "presentment_money": shipping},
        "landing_site": "https://shopify-demo.example/collections/shawls",
        "line_items": [_shopify_line(line, c) for line in order.lines],
        "shipping_lines": [{"title": "Standard", "price": _decimal(order.shipping)}],
        "shipping_address": _shopify_address(order.buyer), "refunds": [],
    }
    if kind == "cancelled":
        body["cancelled_at"] = timestamp(at)
        body["cancel_reason"] = "customer"
        body["financial_status"] = "voided"
    return _write(body).replace(b"/", b"\\/")


def _shopify_line(line: Line, currency: str) -> dict:
    amount = {"amount": _decimal(line.discount), "currency_code": currency}
    return {
        "id": int(line.line_id), "variant_id": int(line.line_id) + 30_000_000_000, "sku": line.sku,
        "title": line.title, "quantity": line.quantity, "price": _decimal(line.price),
        "total_discount": "0.00", "grams": line.weight_g, "requires_shipping": True,
        "fulfillable_quantity": line.quantity, "properties": [], "tax_lines": [],
        "discount_allocations": [
            {"amount": _decimal(line.discount), "amount_set": {"shop_money": amount}}
        ] if line.discount else [],
    }


def _shopify_address(buyer: Buyer) -> dict:
    country, region, city, postcode, line1, phone = buyer.place
    return {"first_name": buyer.first, "last_name": buyer.last, "name": buyer.name,
            "company": None, "address1": line1, "address2": "", "city": city, "province": region,
            "zip": postcode or None, "country_code": country, "phone": phone}


# ---- WooCommerce ----

def woo_body(order: Order, kind: str, at: datetime) -> bytes:
    """https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties; the same by webhook
    and by API. A cancelled order was deleted, of which a webhook tells nothing but the id."""
    if kind == "cancelled":
        return _write({"id": int(order.external_id)})
    paid = kind == "paid"
    cod = order.pays == "COD"
    address = _woo_address(order.buyer)
    return _write({
        "id": int(order.external_id), "parent_id": 0, "number": order.external_id,
        "status": "processing" if paid or cod else "pending", "currency": order.currency,
        "date_created_gmt": _woo_time(order.placed_at), "date_modified_gmt": _woo_time(at),
        "discount_total": _decimal(order.discount), "shipping_total": _decimal(order.shipping),
        "total": _decimal(order.total), "total_tax": "0.00", "prices_include_tax": False,
        "customer_id": 0, "billing": {**address, "email": order.buyer.email,
                                      "phone": order.buyer.place[5]},
        "shipping": address, "payment_method": "cod" if cod else "bacs",
        "transaction_id": "", "date_paid_gmt": _woo_time(at) if paid else None,
        "line_items": [_woo_line(line) for line in order.lines], "refunds": [],
    })


def _woo_time(at: datetime) -> str:
    return timestamp(at).removesuffix("Z")


def _woo_line(line: Line) -> dict:
    return {
        "id": int(line.line_id), "name": html.escape(line.title), "product_id": 0, "variation_id": 0,
        "quantity": line.quantity, "sku": line.sku, "price": line.price / 100,
        "subtotal": _decimal(line.price * line.quantity),
        "total": _decimal(line.price * line.quantity - line.discount), "total_tax": "0.00",
        "taxes": [], "meta_data": [{"id": 1, "key": "_weight_g", "value": line.weight_g}],
    }


def _woo_address(buyer: Buyer) -> dict:
    country, region, city, postcode, line1, _ = buyer.place
    return {"first_name": buyer.first, "last_name": buyer.last, "company": "", "address_1": line1,
            "address_2": "", "city": city, "state": region, "postcode": postcode, "country": country}


# ---- Daraz ----

DARAZ_STATUS = {"paid": "pending", "cancelled": "canceled"}


def _daraz_status(order: Order, kind: str) -> str:
    return DARAZ_STATUS.get(kind, "pending" if order.pays == "COD" else "unpaid")


def daraz_push(order: Order, kind: str, at: datetime) -> bytes:
    """https://open.lazada.com/apps/doc/doc?nodeId=29526: no more than that something happened."""
    return _write({
        "seller_id": "1000154", "message_type": 0, "site": "daraz_pk",
        "timestamp": int(at.timestamp() * 1000),
        "data": {"trade_order_id": order.external_id, "trade_order_line_id": f"{order.external_id}1",
                 "order_status": _daraz_status(order, kind),
                 "status_update_time": int(at.timestamp())},
    })


def daraz_record(order: Order, kind: str, at: datetime) -> bytes:
    """What /order/get and /order/items/get tell of it: an item a piece, prices as numbers."""
    status = _daraz_status(order, kind)
    country, region, city, postcode, line1, phone = order.buyer.place
    items = []
    for line in order.lines:
        for n in range(line.quantity):  # the first pieces bear the odd paisas
            paid = line.price - (line.discount + line.quantity - 1 - n) // line.quantity
            items.append({
                "order_item_id": int(f"{line.line_id}{n}"), "name": line.title, "sku": line.sku,
                "shop_sku": f"{line.sku}-PK", "item_price": line.price / 100,
                "paid_price": paid / 100, "currency": order.currency, "status": status,
                "tracking_code": "", "package_id": ""})
    assert sum(round(item["paid_price"] * 100) for item in items) == order.gross - order.discount
    return _write({"order": {
        "order_id": int(order.external_id), "order_number": int(order.external_id),
        "price": _decimal(order.total), "shipping_fee": order.shipping / 100,
        "items_count": len(items), "statuses": [status], "voucher": 0,
        "payment_method": "COD" if order.pays == "COD" else "MIXEDCARD",
        "created_at": _daraz_time(order.placed_at), "updated_at": _daraz_time(at),
        "national_registration_number": "",
        "address_shipping": {
            "first_name": order.buyer.first, "last_name": order.buyer.last, "phone": phone,
            "address1": line1, "address2": "", "address3": region, "address4": city, "address5": "",
            "city": city, "post_code": postcode,
            "country": {"PK": "Pakistan"}.get(country, country)},
    }, "items": items})


def _daraz_time(at: datetime) -> str:
    return at.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S +0000")


# ---- all ----

WRITERS = {"shopify-demo": shopify_body, "woo-demo": woo_body, "daraz-demo": daraz_push}


def body_of(order: Order, kind: str, at: datetime) -> bytes:
    return WRITERS.get(order.channel, karwan_body)(order, kind, at)


def record_of(order: Order, kind: str, at: datetime) -> bytes:
    """What the marketplace's API tells from then on; empty where it has none."""
    if order.channel == "daraz-demo":
        return daraz_record(order, kind, at)
    if order.channel == "woo-demo" and kind != "cancelled":  # that one was deleted
        return woo_body(order, kind, at)
    return b""


def shopify_test_notification(at: datetime) -> bytes:
    """What the button "send test notification" sends: never an order."""
    line = Line("866550311766439020", "IPOD2008PINK", "IPod Nano - 8GB", 1, 19900, 0, 567)
    order = Order(0, "shopify-demo", "820982911946154508", "#9999", at, (line,),
                  Buyer("Steve", "Shipper", PLACES["USD"][0]), "NEVER", "")
    body = json.loads(shopify_body(order, "cancelled", at))
    body["test"] = True
    return _write(body).replace(b"/", b"\\/")
