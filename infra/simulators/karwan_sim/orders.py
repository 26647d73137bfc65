"""What buyers order: a function of the seed and the time from which orders are dated. Standard
library only (python3 of Debian 12)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from . import catalogue
from .catalogue import CHANNELS, LISTINGS, ONE, ORDER, Listing

UNFILLABLE = ("UNKNOWN_SKU", "LAST_PIECE")

# country, region, city, postcode, lines, phone; the first rows are where rupees are paid
PLACES = {
    "PKR": (
        ("PK", "Punjab", "Lahore", "54000", "House 14, Street 3, Model Town", "+923005552001"),
        ("PK", "Sindh", "Karachi", "75600", "Flat 6-B, Clifton Block 5, near Do Talwar",
         "+923005552002"),
        ("PK", "Islamabad", "Islamabad", "44000", "House 221, Street 18, F-7/2", "+923005552003"),
        ("PK", "Khyber Pakhtunkhwa", "Peshawar", "25000", "22 Saddar Road, opposite the museum",
         "+923005552004"),
        ("PK", "Balochistan", "Quetta", "87300", "5 Jinnah Road, above the bookshop",
         "+923005552005"),
    ),
    "USD": (
        ("US", "New York", "Brooklyn", "11201", "88 Montague Street, Apt 4", "+12125550140"),
        ("GB", "Greater London", "London", "E8 3PH", "31 Mare Street", "+442079460105"),
        ("AE", "Dubai", "Dubai", "", "Villa 12, Al Wasl Road", "+97145550110"),
        ("CA", "Ontario", "Toronto", "M5V 2T6", "210 Queen Street West", "+14165550150"),
        ("DE", "Berlin", "Berlin", "10999", "Oranienstraße 24", "+493023125010"),
    ),
}
FIRST = ("Ayesha", "Bilal", "Hina", "Omar", "Sana", "Tariq", "Maryam", "Usman", "Nadia", "Kamran")
LAST = ("Khan", "Malik", "Qureshi", "Siddiqui", "Raza", "Baig", "Shah", "Iqbal", "Abbasi", "Butt")
ABROAD_FIRST = ("Emma", "James", "Noor", "Lucas", "Sofia", "Daniel", "Leila", "Thomas", "Clara",
                "Amir")
ABROAD_LAST = ("Walker", "Fischer", "Haddad", "Moreau", "Patel", "Becker", "Nguyen", "Evans", "Rossi",
               "Grant")
SHIPPING = {"PKR": 25000, "USD": 2500}


@dataclass(frozen=True)
class Line:
    line_id: str
    sku: str
    title: str
    quantity: int
    price: int
    discount: int
    weight_g: int


@dataclass(frozen=True)
class Buyer:
    first: str
    last: str
    place: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"

    @property
    def email(self) -> str:
        return f"{self.first}.{self.last}@buyers.example".lower()


@dataclass(frozen=True)
class Order:
    index: int
    channel: str
    external_id: str
    number: str
    placed_at: datetime
    lines: tuple[Line, ...]
    buyer: Buyer
    pays: str  # STRIPE, CHANNEL (it says so itself), COD, NEVER
    unfillable: str  # "" or one of UNFILLABLE

    @property
    def currency(self) -> str:
        return CHANNELS[self.channel][0]

    @property
    def gross(self) -> int:
        return sum(line.price * line.quantity for line in self.lines)

    @property
    def discount(self) -> int:
        return sum(line.discount for line in self.lines)

    @property
    def shipping(self) -> int:
        return SHIPPING[self.currency]

    @property
    def total(self) -> int:
        return self.gross - self.discount + self.shipping


@dataclass
class Shelf:
    """What the shops believe to be left, so that only what is meant to be unfillable is."""
    stock: dict[str, int]
    capacity: dict[str, int] = field(default_factory=lambda: dict(catalogue.CAPACITY_OF))
    sold: list[Listing] = field(default_factory=list)  # pieces of their kind, gone

    def left(self, item: Listing) -> int:
        if item.kind == ORDER:
            return self.capacity.get(item.maker_id, 0)
        return self.stock[item.listing_id]

    def take(self, item: Listing, quantity: int) -> None:
        if item.kind == ORDER:
            self.capacity[item.maker_id] -= quantity
            return
        self.stock[item.listing_id] -= quantity
        if item.kind == ONE:
            self.sold.append(item)


def plan(n: int, seed: int, start: datetime, unfillable: float = 0.1, unpaid: float = 0.02,
         stock: int = catalogue.STOCK_PIECES) -> list[Order]:
    """The first n orders of a seed: asking for more does not change the earlier ones."""
    shelf = Shelf({item.listing_id: 1 if item.kind == ONE else stock for item in LISTINGS})
    return [_order(i, seed, start, shelf, unfillable, unpaid) for i in range(n)]


def _order(i: int, seed: int, start: datetime, shelf: Shelf, unfillable: float,
           unpaid: float) -> Order:
    r = Random(f"order/{seed}/{i}")
    channel = r.choice(tuple(CHANNELS))
    currency = CHANNELS[channel][0]
    wanted = r.choice(UNFILLABLE) if r.random() < unfillable else ""
    lines, missing = _lines(r, i, channel, shelf, wanted)
    names = (FIRST, LAST) if currency == "PKR" else (ABROAD_FIRST, ABROAD_LAST)
    buyer = Buyer(r.choice(names[0]), r.choice(names[1]), r.choice(PLACES[currency]))
    return Order(i, channel, _external_id(r, channel, i), _number(channel, i),
                 start + timedelta(milliseconds=25 * i), tuple(lines), buyer,
                 _pays(r, channel, currency, unpaid), missing)


def _external_id(r: Random, channel: str, i: int) -> str:
    token = r.randrange(10 ** 8)
    return {
        "shopify-demo": f"{5_000_000_000_000 + token * 10_000 + i}",
        "pavilion": f"{2_000_000_000_000 + token * 10_000 + i}",
        "dibs": f"DIBS-{token:08}-{i}",
        "ahaan": f"AH-{token:08}-{i}",
        "woo-demo": f"{100_000 + token % 9_000 * 10_000 + i}",
        "daraz-demo": f"{100_000_000_000_000 + token * 1_000_000 + i}",
    }[channel]


def _number(channel: str, i: int) -> str:
    return f"#{1001 + i}" if channel == "shopify-demo" else f"{CHANNELS[channel][1]}-{1001 + i}"


def _pays(r: Random, channel: str, currency: str, unpaid: float) -> str:
    dice = r.random()
    if dice < unpaid:
        return "NEVER"
    if currency == "PKR" and dice < unpaid + 0.06:
        return "COD"
    if channel == "daraz-demo":
        return "CHANNEL"  # the marketplace takes the money
    return "CHANNEL" if channel in ("shopify-demo", "woo-demo") and dice > 0.6 else "STRIPE"


def _lines(r: Random, i: int, channel: str, shelf: Shelf, wanted: str) -> tuple[list[Line], str]:
    if wanted == "LAST_PIECE" and not shelf.sold:
        wanted = "UNKNOWN_SKU"
    if wanted == "LAST_PIECE":
        return [_line(r, i, 0, channel, r.choice(shelf.sold), 1)], wanted
    if wanted == "UNKNOWN_SKU":
        sku = f"{CHANNELS[channel][1]}-OLD-{r.randrange(1000):03}"
        price = 100 * r.randrange(20, 90)
        title = "A piece of last year's catalogue"
        return [Line(_line_id(i, 0), sku, title, 1, price, 0, 500)], wanted
    open_items = [item for item in LISTINGS if channel in item.channels and shelf.left(item) > 0]
    if not open_items:
        return _lines(r, i, channel, shelf, "LAST_PIECE")
    chosen = r.sample(open_items, min(len(open_items), r.choices((1, 2, 3), (70, 22, 8))[0]))
    lines = []
    for n, item in enumerate(chosen):
        left = shelf.left(item)
        if left == 0:  # two pieces of one maker's last capacity
            continue
        quantity = min(left, 1 if item.kind == ONE else r.choices((1, 2, 3), (75, 20, 5))[0])
        shelf.take(item, quantity)
        lines.append(_line(r, i, n, channel, item, quantity))
    return lines, ""


def _line_id(i: int, n: int) -> str:
    return str(7_000_000_000 + i * 10 + n)


def _line(r: Random, i: int, n: int, channel: str, item: Listing, quantity: int) -> Line:
    price = item.price(channel)
    discount = price * quantity // 10 if r.random() < 0.15 else 0
    return Line(_line_id(i, n), item.channel_sku(channel), item.title, quantity, price, discount,
                item.weight_g)
