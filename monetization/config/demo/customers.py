"""Two hundred companies: names, places, currencies, people. The same every time."""

from dataclasses import dataclass
from random import Random

_FIRST = (
    "Alder", "Amber", "Atlas", "Aurora", "Beacon", "Birch", "Blue Heron", "Bright", "Cascade",
    "Cedar", "Cobalt", "Copper", "Coral", "Crescent", "Delta", "Ember", "Everline", "Falcon",
    "Fern", "Flint", "Foxglove", "Garnet", "Granite", "Halcyon", "Harvest", "Hazel", "Helios",
    "Highland", "Indigo", "Ironwood", "Juniper", "Keystone", "Lantern", "Larkspur", "Linden",
    "Lumen", "Maple", "Meridian", "Mistral", "Monarch", "Northgate", "Oakline", "Onyx", "Opal",
    "Orchard", "Osprey", "Pebble", "Pinnacle", "Polaris", "Quarry", "Quill", "Redwood", "Ridge",
    "Rowan", "Saffron", "Sable", "Sequoia", "Silver", "Solstice", "Spruce", "Sterling", "Summit",
    "Tamarack", "Terrace", "Thistle", "Topaz", "Umber", "Vantage", "Verdant", "Vesper", "Willow",
    "Zephyr",
)  # fmt: skip
_SECOND = (
    "Analytics", "Logistics", "Health", "Robotics", "Foods", "Media", "Energy", "Mobility",
    "Retail", "Labs", "Systems", "Studios", "Travel", "Insurance", "Materials", "Networks",
    "Pharma", "Learning", "Freight", "Security", "Payments", "Homes", "Marine", "Textiles",
)  # fmt: skip
_PEOPLE = (
    "Ada Marsh", "Ben Ferreira", "Carla Novak", "Daniel Osei", "Elif Demir", "Femi Adeyemi",
    "Greta Holm", "Hugo Martin", "Ines Duarte", "Jonas Weber", "Keiko Tanaka", "Liam Byrne",
    "Mina Park", "Noah Fischer", "Olga Petrova", "Priya Raman", "Quentin Roy", "Rosa Vidal",
    "Samir Haddad", "Tessa Groot", "Umar Farooq", "Vera Lang", "Wen Li", "Yuki Mori", "Zoe Clarke",
)  # fmt: skip
# currency -> (zone, city line, country, suffix, tax treatment, tax name, percent)
_PLACES = {
    "USD": (
        ("America/New_York", "New York, NY 10013", "US", "Inc.", "exempt", "", "0"),
        ("America/Chicago", "Chicago, IL 60607", "US", "LLC", "exempt", "", "0"),
        ("America/Los_Angeles", "Oakland, CA 94607", "US", "Inc.", "exempt", "", "0"),
        ("America/Denver", "Boulder, CO 80302", "US", "Inc.", "exempt", "", "0"),
        ("Australia/Sydney", "Surry Hills NSW 2010", "AU", "Pty Ltd", "exempt", "", "0"),
    ),
    "GBP": (
        ("Europe/London", "London EC2A 4NE", "GB", "Ltd", "taxable", "VAT", "20"),
        ("Europe/London", "Manchester M1 2WD", "GB", "Ltd", "taxable", "VAT", "20"),
    ),
    "EUR": (
        ("Europe/Berlin", "10999 Berlin", "DE", "GmbH", "taxable", "MwSt", "19"),
        ("Europe/Paris", "75011 Paris", "FR", "SAS", "reverse_charge", "VAT", "0"),
        ("Europe/Amsterdam", "1016 Amsterdam", "NL", "B.V.", "reverse_charge", "VAT", "0"),
        ("Europe/Helsinki", "00120 Helsinki", "FI", "Oy", "reverse_charge", "VAT", "0"),
    ),
    "JPY": (
        ("Asia/Tokyo", "Shibuya, Tokyo 150-0002", "JP", "K.K.", "taxable", "Consumption tax", "10"),
    ),
}
_CURRENCY_OF_TEN = ("USD", "USD", "GBP", "USD", "EUR", "USD", "USD", "JPY", "EUR", "GBP")


@dataclass(frozen=True, slots=True)
class Company:
    """A customer to create, and how it pays."""

    name: str
    slug: str
    currency: str
    time_zone: str
    address: str
    country: str
    legal_name: str
    tax_treatment: str
    tax_name: str
    tax_percent: str
    contact: str
    email: str
    payment_terms_days: int
    pays: str  # prompt, slow, late, never


def companies(count: int, random: Random) -> list[Company]:
    """Return that many distinct companies."""
    names = [f"{first} {second}" for first in _FIRST for second in _SECOND]
    random.shuffle(names)
    found = []
    for index, name in enumerate(names[:count]):
        currency = _CURRENCY_OF_TEN[index % 10]
        zone, city, country, suffix, treatment, tax_name, percent = random.choice(_PLACES[currency])
        contact = random.choice(_PEOPLE)
        slug = name.lower().replace(" ", "-")
        found.append(
            Company(
                name=name,
                slug=slug,
                currency=currency,
                time_zone=zone,
                address=f"{random.randint(2, 480)} {random.choice(_FIRST)} Street\n{city}",
                country=country,
                legal_name=f"{name} {suffix}",
                tax_treatment=treatment,
                tax_name=tax_name,
                tax_percent=percent,
                contact=contact,
                email=f"{contact.split()[0].lower()}@{slug}.example",
                payment_terms_days=random.choice((14, 30, 30, 30, 45)),
                pays=random.choices(("prompt", "slow", "late", "never"), weights=(66, 22, 10, 2))[
                    0
                ],
            )
        )
    return found
