"""What documents say beside their figures, in the languages they can be written in. Pure."""

from collections.abc import Mapping

LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "nl": "Nederlands"}

# One row per word: English, German, French, Dutch.
_ROWS: dict[str, tuple[str, str, str, str]] = {
    "invoice": ("Invoice", "Rechnung", "Facture", "Factuur"),
    "draft_invoice": ("Draft invoice", "Rechnungsentwurf", "Projet de facture", "Conceptfactuur"),
    "draft": ("Draft", "Entwurf", "Projet", "Concept"),
    "void": ("VOID", "STORNIERT", "ANNULÉE", "VERVALLEN"),
    # German tax law keeps "Gutschrift" for invoices the customer writes (§ 14 Abs. 2 UStG).
    "credit_note": ("Credit note", "Rechnungskorrektur", "Avoir", "Creditnota"),
    "for_invoice": ("for invoice", "zu Rechnung", "pour la facture", "voor factuur"),
    "statement": ("Statement of account", "Kontoauszug", "Relevé de compte", "Rekeningoverzicht"),
    "tax_id": ("Tax id", "USt-IdNr.", "N° de TVA", "Btw-nummer"),
    "registration": ("Registration", "Registernummer", "Immatriculation", "Handelsregister"),
    "supplements": ("Supplement to", "Nachtrag zu", "Complément à", "Aanvulling op"),
    "billed_to": ("Billed to", "Rechnung an", "Facturé à", "Factuur aan"),
    "date": ("Date", "Datum", "Date", "Datum"),
    "due": ("Due", "Fällig", "Échéance", "Vervaldatum"),
    "number": ("Number", "Nummer", "Numéro", "Nummer"),
    "purchase_order": ("Purchase order", "Bestellnummer", "Bon de commande", "Inkooporder"),
    "reference": ("Your reference", "Ihre Referenz", "Votre référence", "Uw referentie"),
    "description": ("Description", "Beschreibung", "Désignation", "Omschrijving"),
    "service": ("Service", "Leistungszeitraum", "Période", "Periode"),
    "quantity": ("Quantity", "Menge", "Quantité", "Aantal"),
    "price": ("Price", "Preis", "Prix", "Prijs"),
    "amount": ("Amount", "Betrag", "Montant", "Bedrag"),
    "net": ("Net", "Netto", "Montant HT", "Netto"),
    "tax": ("Tax", "Steuer", "Taxe", "Belasting"),
    "vat": ("VAT", "USt.", "TVA", "Btw"),
    "subtotal": ("Subtotal", "Zwischensumme", "Sous-total", "Subtotaal"),
    "paid_by_credits": (
        "Paid with credits",
        "Mit Guthaben bezahlt",
        "Payé par crédits",
        "Betaald met tegoed",
    ),
    "given_back_to_credits": (
        "Of it given back as credits",
        "Davon dem Guthaben gutgeschrieben",
        "Dont rendu en crédits",
        "Waarvan teruggegeven als tegoed",
    ),
    "credits_used": ("Credits used", "Guthaben verwendet", "Crédits utilisés", "Tegoed gebruikt"),
    "credits_given_back": (
        "Credits given back",
        "Guthaben zurückgegeben",
        "Crédits rendus",
        "Tegoed teruggegeven",
    ),
    "credits_held": ("Credits held", "Guthaben", "Crédits disponibles", "Beschikbaar tegoed"),
    "ends": ("Until", "Bis", "Jusqu’au", "Tot"),
    "total": ("Total", "Gesamtbetrag", "Total", "Totaal"),
    "credited": ("Credited", "Korrekturbetrag", "Crédité", "Gecrediteerd"),
    "of": ("on", "auf", "sur", "over"),
    "reverse_charge": (
        "VAT, reverse charge",
        "USt., Steuerschuldnerschaft des Leistungsempfängers",
        "TVA, autoliquidation",
        "Btw verlegd",
    ),
    "reverse_charge_note": (
        "Reverse charge: the recipient accounts for the VAT.",
        "Steuerschuldnerschaft des Leistungsempfängers.",
        "Autoliquidation : la TVA est due par le preneur.",
        "Btw verlegd naar de afnemer.",
    ),
    "payment": ("Payment", "Zahlung", "Paiement", "Betaling"),
    "account_holder": ("Account holder", "Kontoinhaber", "Titulaire", "Rekeninghouder"),
    "page": ("Page", "Seite", "Page", "Pagina"),
    "page_of": ("of", "von", "sur", "van"),
    "to": ("to", "bis", "au", "tot en met"),
    "from": ("from", "ab", "à partir du", "vanaf"),
    "opening": ("Opening balance", "Anfangssaldo", "Solde initial", "Beginsaldo"),
    "closing": ("Closing balance", "Endsaldo", "Solde final", "Eindsaldo"),
    "balance": ("Balance", "Saldo", "Solde", "Saldo"),
    "charges": ("Charges", "Belastungen", "Débit", "Debet"),
    "credits": ("Credits", "Gutschriften", "Crédit", "Credit"),
    "payment_received": ("Payment", "Zahlung", "Paiement", "Betaling"),
    "write_off": ("Write-off", "Ausbuchung", "Passage en perte", "Afboeking"),
    "write_off_taken_back": (
        "Write-off taken back",
        "Ausbuchung zurückgenommen",
        "Perte annulée",
        "Afboeking teruggedraaid",
    ),
    "open_on": ("Open on", "Offen am", "Ouvert au", "Openstaand op"),
    "usage_detail": ("Usage detail", "Nutzungsnachweis", "Détail d’utilisation", "Verbruik"),
    "day": ("Day", "Tag", "Jour", "Dag"),
    "billed_quantity": (
        "Quantity billed",
        "Berechnete Menge",
        "Quantité facturée",
        "Gefactureerde hoeveelheid",
    ),
    "days_do_not_add_up": (
        "Days show each day’s own figure; this meter’s period is not their sum.",
        "Die Tage zeigen ihren eigenen Wert; die Menge der Periode ist nicht ihre Summe.",
        "Chaque jour montre sa propre valeur ; la période n’en est pas la somme.",
        "Elke dag toont zijn eigen waarde; de periode is niet hun som.",
    ),
    "usage_in_file": (
        "The usage by day is in the file that comes with this invoice.",
        "Die Nutzung nach Tagen steht in der Datei zu dieser Rechnung.",
        "L’utilisation par jour se trouve dans le fichier joint à cette facture.",
        "Het verbruik per dag staat in het bestand bij deze factuur.",
    ),
    "up_to": ("Up to {}", "Bis {}", "Jusqu’à {}", "Tot {}"),
    "over": ("Over {}", "Über {}", "Au-delà de {}", "Boven {}"),
    "between": ("{} to {}", "{} bis {}", "{} à {}", "{} tot {}"),
    "all_units": ("All units", "Alle Einheiten", "Toutes les unités", "Alle eenheden"),
    "flat_fee": ("Flat fee", "Pauschale", "Forfait", "Vast bedrag"),
    "per_unit": ("Per unit", "Je Einheit", "Par unité", "Per eenheid"),
    "minimum": (
        "Top-up to the minimum",
        "Auffüllung auf das Minimum",
        "Complément au minimum",
        "Aanvulling tot het minimum",
    ),
    "sample": ("Sample", "Muster", "Exemple", "Voorbeeld"),
}

WORDS: Mapping[str, Mapping[str, str]] = {
    language: {key: row[place] for key, row in _ROWS.items()}
    for place, language in enumerate(LANGUAGES)
}
