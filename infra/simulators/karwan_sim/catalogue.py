"""The demo's world: 3 hubs, 20 makers and 60 listings of all three kinds, priced by channel. Names,
numbers and addresses are invented. Standard library only (python3 of Debian 12)."""

from dataclasses import dataclass

CHANNELS = {  # currency, prefix of the channel's own SKUs
    "shopify-demo": ("PKR", "SHP"),
    "pavilion": ("USD", "PAV"),
    "dibs": ("PKR", "DIBS"),
    "ahaan": ("USD", "AHN"),
    "woo-demo": ("PKR", "WOO"),
    "daraz-demo": ("PKR", "DRZ"),
}

# id, name, lead, region, line1, city, postcode, phone
HUBS = (
    ("hub-muzaffarabad", "Neelum Valley Women's Centre", "Shaista Mir", "Azad Kashmir",
     "Upper Chattar, near the District Hospital", "Muzaffarabad", "13100", "+923005550101"),
    ("hub-multan", "Hussain Agahi Craft House", "Rukhsana Bibi", "Punjab",
     "12 Hussain Agahi Bazaar, behind the Clock Tower", "Multan", "60000", "+923005550102"),
    ("hub-hunza", "Karimabad Weaving Hall", "Gul Begum", "Gilgit-Baltistan",
     "Baltit Fort Road, above the polo ground", "Karimabad", "15700", "+923005550103"),
)

# id, name, hub, skills, pieces a week, state, national id ("" when she is not verified yet)
MAKERS = (
    ("maker-01", "Nasreen Akhtar", "hub-muzaffarabad", "pashmina sozni", 14, "ACTIVE", "82203-1104512-2"),
    ("maker-02", "Zubaida Khatoon", "hub-muzaffarabad", "pashmina namda", 12, "ACTIVE", "82203-2281940-4"),
    ("maker-03", "Shamim Begum", "hub-muzaffarabad", "sozni aari", 10, "ACTIVE", "82203-0917733-6"),
    ("maker-04", "Fareeda Lone", "hub-muzaffarabad", "namda gabba", 12, "ACTIVE", "82201-5520186-8"),
    ("maker-05", "Rehana Awan", "hub-muzaffarabad", "pashmina aari", 12, "ACTIVE", ""),
    ("maker-06", "Saima Mughal", "hub-muzaffarabad", "papier-mache", 16, "ACTIVE", "82203-7719045-2"),
    ("maker-07", "Parveen Kauser", "hub-multan", "chunri ralli", 18, "ACTIVE", "36302-4410297-4"),
    ("maker-08", "Kaneez Fatima", "hub-multan", "ralli", 14, "ACTIVE", "36302-6618350-2"),
    ("maker-09", "Hajra Mai", "hub-multan", "khes chunri", 16, "ACTIVE", "36303-9001274-6"),
    ("maker-10", "Sughra Bibi", "hub-multan", "blue-pottery", 20, "ACTIVE", "36302-3147762-8"),
    ("maker-11", "Azra Parveen", "hub-multan", "blue-pottery camel-skin", 14, "ACTIVE", ""),
    ("maker-12", "Naseem Mai", "hub-multan", "khes", 14, "ACTIVE", "36304-1550093-4"),
    ("maker-13", "Bushra Bibi", "hub-multan", "phulkari", 12, "ACTIVE", "36302-8804416-2"),
    ("maker-14", "Iqbal Begum", "hub-multan", "phulkari chunri", 12, "ACTIVE", "36301-7003358-6"),
    ("maker-15", "Bibi Safia", "hub-hunza", "sharma", 10, "ACTIVE", "71503-2201948-4"),
    ("maker-16", "Shah Bano", "hub-hunza", "sharma patti", 12, "ACTIVE", "71503-5547120-8"),
    ("maker-17", "Roshan Bano", "hub-hunza", "hunza-cap", 20, "ACTIVE", "71503-0936601-2"),
    ("maker-18", "Nigar Sultan", "hub-hunza", "hunza-cap patti", 16, "ACTIVE", ""),
    ("maker-19", "Bibi Amina", "hub-hunza", "patti", 14, "ACTIVE", "71502-4418507-6"),
    ("maker-20", "Zeenat Karim", "hub-hunza", "ruby-jewellery", 12, "ON_LEAVE", "71503-8120039-4"),
)

ONE, STOCK, ORDER = "ONE_OF_A_KIND", "STOCKED", "MADE_TO_ORDER"

# title, kind, maker, skill, PKR, USD, grams; the number in the list is the listing's
PIECES = (
    ("Ivory pashmina shawl, sozni border in indigo", ONE, 1, "sozni", 68000, 295, 320),
    ("Charcoal pashmina, all-over sozni jaal", ONE, 1, "sozni", 142000, 590, 340),
    ("Plain pashmina stole, natural grey", STOCK, 1, "pashmina", 18500, 82, 180),
    ("Plain pashmina stole, walnut", STOCK, 1, "pashmina", 18500, 82, 180),
    ("Pashmina shawl woven to order, your colour", ORDER, 1, "pashmina", 32500, 145, 300),
    ("Reversible pashmina stole, saffron and rust", STOCK, 2, "pashmina", 22000, 96, 190),
    ("Felted namda rug, tree of life, 4 x 6 ft", ONE, 2, "namda", 38000, 168, 4200),
    ("Felted namda mat, almond blossom", STOCK, 2, "namda", 7800, 36, 1400),
    ("Sozni embroidered cushion cover, pair", STOCK, 3, "sozni", 9600, 44, 520),
    ("Aari floral wall panel, crewel on linen", ONE, 3, "aari", 46500, 204, 1600),
    ("Aari tote bag, chinar leaf", STOCK, 3, "aari", 5400, 26, 420),
    ("Embroidered shawl border to order, 2 m", ORDER, 3, "aari", 14500, 66, 260),
    ("Gabba floor spread, patched wool", ONE, 4, "gabba", 27000, 122, 3600),
    ("Namda prayer mat, undyed wool", STOCK, 4, "namda", 8900, 41, 1300),
    ("Namda runner to order, 2 x 8 ft", ORDER, 4, "namda", 21500, 96, 2900),
    ("Aari stole, rose garden on black", ONE, 5, "aari", 39500, 174, 310),
    ("Pashmina muffler, herringbone", STOCK, 5, "pashmina", 12800, 58, 140),
    ("Papier-mache trinket box, kingfisher", STOCK, 6, "papier-mache", 3200, 16, 180),
    ("Papier-mache bauble set of six, chinar", STOCK, 6, "papier-mache", 4800, 23, 240),
    ("Papier-mache vase, hazara pattern", ONE, 6, "papier-mache", 17500, 79, 900),
    ("Chunri dupatta, ochre and madder", STOCK, 7, "chunri", 6900, 33, 220),
    ("Chunri dupatta, indigo dots", STOCK, 7, "chunri", 6900, 33, 220),
    ("Bridal chunri, silk, tied to order", ORDER, 7, "chunri", 24500, 109, 380),
    ("Ralli quilt, star patchwork, double", ONE, 8, "ralli", 41000, 182, 2600),
    ("Ralli cushion cover, hand quilted", STOCK, 8, "ralli", 3900, 19, 260),
    ("Ralli throw to order, your colours", ORDER, 8, "ralli", 26500, 118, 1700),
    ("Ralli baby quilt, birds", STOCK, 7, "ralli", 11500, 53, 700),
    ("Multani khes, double weave, majnu", STOCK, 9, "khes", 9800, 46, 1500),
    ("Multani khes, single, natural dyes", STOCK, 9, "khes", 7400, 35, 1100),
    ("Heirloom khes, cotton and silk, six treadle", ONE, 9, "khes", 33500, 148, 1900),
    ("Blue pottery bowl, 20 cm, kashi flowers", STOCK, 10, "blue-pottery", 4200, 21, 900),
    ("Blue pottery tile set of four", STOCK, 10, "blue-pottery", 5600, 27, 2200),
    ("Blue pottery mugs, pair", STOCK, 10, "blue-pottery", 3800, 19, 800),
    ("Blue pottery jar, 45 cm, turquoise field", ONE, 10, "blue-pottery", 36500, 162, 5200),
    ("Tiled house number to order", ORDER, 10, "blue-pottery", 6200, 30, 1500),
    ("Camel skin lamp, naqqashi, 30 cm", STOCK, 11, "camel-skin", 10500, 49, 1100),
    ("Camel skin lamp, tall, signed", ONE, 11, "camel-skin", 29500, 132, 2400),
    ("Blue pottery dinner plate, set of two", STOCK, 11, "blue-pottery", 7200, 34, 1900),
    ("Khes bedspread to order, king size", ORDER, 12, "khes", 19500, 88, 2400),
    ("Khes cushion covers, set of three", STOCK, 12, "khes", 5100, 25, 600),
    ("Khes yoga mat cover", STOCK, 12, "khes", 4600, 22, 500),
    ("Phulkari bagh, full field, silk floss on khaddar", ONE, 13, "phulkari", 88000, 385, 1200),
    ("Phulkari dupatta, wheat motif", STOCK, 13, "phulkari", 13500, 61, 340),
    ("Phulkari shawl to order", ORDER, 13, "phulkari", 28500, 127, 620),
    ("Phulkari clutch, magenta", STOCK, 14, "phulkari", 4900, 24, 220),
    ("Chunri scarf, lemon and leaf", STOCK, 14, "chunri", 3600, 18, 120),
    ("Phulkari cushion, single", STOCK, 14, "phulkari", 4300, 21, 300),
    ("Sharma rug, goat hair and wool, 3 x 5 ft", ONE, 15, "sharma", 31500, 140, 3900),
    ("Sharma runner to order, traditional bands", ORDER, 15, "sharma", 24500, 110, 3300),
    ("Sharma seat pad, round", STOCK, 15, "sharma", 5200, 25, 800),
    ("Patti tweed length, 3 m, undyed brown", STOCK, 16, "patti", 11800, 54, 1500),
    ("Patti waistcoat to measure", ORDER, 16, "patti", 16500, 74, 700),
    ("Sharma saddle cloth, antique pattern", ONE, 16, "sharma", 44500, 196, 2700),
    ("Hunza cap, embroidered band", STOCK, 17, "hunza-cap", 2900, 15, 120),
    ("Hunza cap, bridal, silver thread", ONE, 17, "hunza-cap", 18500, 84, 160),
    ("Iraghi embroidered belt", STOCK, 17, "hunza-cap", 4400, 22, 140),
    ("Hunza cap to order, child's size", ORDER, 18, "hunza-cap", 3400, 17, 100),
    ("Patti scarf, walnut dyed", STOCK, 19, "patti", 6300, 30, 240),
    ("Patti shawl, natural white, fringed", STOCK, 19, "patti", 12500, 57, 560),
    ("Ruby zoisite pendant, silver, one piece", ONE, 20, "ruby-jewellery", 23500, 106, 60),
)

LEAD_DAYS = 10
STOCK_PIECES = 40


@dataclass(frozen=True)
class Listing:
    listing_id: str
    sku: str
    title: str
    kind: str
    maker_id: str
    skill: str
    pkr: int  # whole rupees and dollars
    usd: int
    weight_g: int
    channels: tuple[str, ...]

    def channel_sku(self, channel: str) -> str:
        return f"{CHANNELS[channel][1]}-{self.sku}"

    def price(self, channel: str) -> int:
        """In minor units of the channel's currency."""
        return 100 * (self.pkr if CHANNELS[channel][0] == "PKR" else self.usd)


def _listing(n: int) -> Listing:
    title, kind, maker, skill, pkr, usd, grams = PIECES[n]
    names = list(CHANNELS)
    # a one-of-a-kind piece is offered everywhere; of the others, every third leaves one channel out
    channels = names if kind == ONE or n % 3 else names[:n % 6] + names[n % 6 + 1:]
    return Listing(f"listing-{n + 1:02}", f"KW-{1001 + n}", title, kind, f"maker-{maker:02}", skill,
                   pkr, usd, grams, tuple(channels))


LISTINGS = tuple(_listing(n) for n in range(len(PIECES)))
HUB_OF = {row[0]: row[2] for row in MAKERS}
CAPACITY_OF = {row[0]: row[4] for row in MAKERS if row[5] == "ACTIVE"}


def money(minor: int, currency: str) -> dict[str, str]:
    return {"amount": f"{minor // 100}.{minor % 100:02}", "currency": currency}


def hub_body(row: tuple, version: int) -> dict:
    _, name, lead, region, line1, city, postcode, phone = row
    return {
        "version": version, "name": name, "lead": lead, "region": region,
        "address": {"name": name, "line1": line1, "city": city, "postcode": postcode,
                    "region": region, "country": "PK", "phone": phone},
    }


def maker_body(row: tuple, version: int) -> dict:
    maker_id, name, hub_id, skills, capacity, state, national_id = row
    body = {"version": version, "name": name, "hub_id": hub_id, "skills": skills.split(),
            "weekly_capacity": capacity, "state": state,
            "phone": f"+92300555{int(maker_id[-2:]) + 1000}"}
    if national_id:
        body["national_id"] = national_id
    if state == "ON_LEAVE":
        body["leave_until"] = "2099-01-01T00:00:00Z"
    return body


def listing_body(listing: Listing, version: int, stock: int) -> dict:
    quantity = {ONE: 1, STOCK: stock, ORDER: 0}[listing.kind]
    body = {
        "version": version, "sku": listing.sku, "title": listing.title, "kind": listing.kind,
        "maker_id": listing.maker_id, "hub_id": HUB_OF[listing.maker_id], "skill": listing.skill,
        "price": money(100 * listing.pkr, "PKR"), "weight_g": listing.weight_g,
        "quantity": quantity, "quantity_version": version, "state": "APPROVED",
        "publications": [
            {"channel": channel, "channel_sku": listing.channel_sku(channel), "state": "PUBLISHED",
             "price": money(listing.price(channel), CHANNELS[channel][0])}
            for channel in listing.channels
        ],
    }
    if listing.kind == ORDER:
        body["lead_days"] = LEAD_DAYS
    return body


def puts(version: int, stock: int) -> list[list[tuple[str, dict]]]:
    """Paths and bodies, in rounds: what a round speaks of was in an earlier one."""
    return [
        [(f"/v1/hubs/{row[0]}", hub_body(row, version)) for row in HUBS],
        [(f"/v1/makers/{row[0]}", maker_body(row, version)) for row in MAKERS],
        [(f"/v1/listings/{item.listing_id}", listing_body(item, version, stock))
         for item in LISTINGS],
    ]
