"""The two ways in which Dropbox Sign takes a signature, offered to quoting."""

from quotes.ports import SignatureMethod, register_signature_method


def register() -> None:
    """Offer both to tenants that are connected."""
    register_signature_method(
        SignatureMethod(
            key="dropbox_sign",
            name="Dropbox Sign, by e-mail",
            explanation="Dropbox Sign writes to the signer and takes the signature on its site.",
            invites_signer=True,
            is_available=_is_connected,
        )
    )
    register_signature_method(
        SignatureMethod(
            key="dropbox_sign_embedded",
            name="Dropbox Sign, on our page",
            explanation="We mail our link; Dropbox Sign takes the signature inside our page.",
            is_available=_is_connected,
            page_name="dropbox_sign:embedded",
        )
    )


def _is_connected() -> bool:
    from integrations.dropbox_sign import connecting

    return connecting.is_connected()
