"""The demo company: Tidewater, which sells invoicing software, its customers and 13 months."""
