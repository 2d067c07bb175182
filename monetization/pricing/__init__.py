"""The one place a price is computed. Pure: dataclasses in, dataclasses out."""
