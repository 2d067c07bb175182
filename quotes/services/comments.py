"""What is said about a quote: among colleagues, to the customer, and by the customer."""

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from monetization.kernel.errors import Refusal
from monetization.mail.services import queue_mail
from monetization.tenancy.context import current_actor
from quotes.models import Quote, QuoteComment, SigningLink
from quotes.services.common import announce

MOST_QUESTIONS = 50  # of the customer on one quote: a link is no place to write without end


class CommentEmpty(Refusal):
    """A comment says something."""


class TooManyQuestions(Refusal):
    """The customer has asked all a quote can hold."""


@transaction.atomic
def add_comment(*, quote_id: UUID, text: str, is_shared: bool, now: datetime) -> QuoteComment:
    """Write a comment on a quote's latest version; a shared one is read by whoever signs.

    Whoever waits to sign is told of a shared one by mail.

    :raises CommentEmpty: if it says nothing.
    """
    quote = Quote.objects.get(id=quote_id)
    version = quote.versions.order_by("-number").first()
    if not text.strip():
        raise CommentEmpty("text: write something")
    comment: QuoteComment = QuoteComment.objects.create(
        quote=quote,
        version_number=version.number,
        author=current_actor(),
        text=text.strip()[:5000],
        is_shared=is_shared,
        created_at=now,
    )
    if is_shared:
        announce(quote, version, "quote.answered", now, by=comment.author)
        seller = version.legal_entity.name
        for signer in version.signers.filter(status__in=["invited", "viewed"]):
            queue_mail(
                dedupe_key=f"quote-comment/{comment.id}/{signer.id}",
                to=signer.email,
                subject=f"About {quote.title} ({quote.number})",
                text=(
                    f"Dear {signer.name},\n\n{seller} writes about {quote.title}:\n\n{comment.text}"
                    "\n\nIt also stands on the page you were sent to sign.\n"
                ),
                subject_ref=f"quote/{quote.id}",
                now=now,
            )
    return comment


@transaction.atomic
def ask_question(*, link: SigningLink, text: str, now: datetime) -> QuoteComment:
    """Take a question of a signer; the quote's owner is told by mail.

    :raises CommentEmpty: if it says nothing.
    :raises TooManyQuestions: past what one quote can hold.
    """
    version = link.version
    quote = version.quote
    if not text.strip():
        raise CommentEmpty("text: write your question")
    if quote.comments.filter(is_from_customer=True).count() >= MOST_QUESTIONS:
        raise TooManyQuestions("there are many questions here already; call the sender")
    comment: QuoteComment = QuoteComment.objects.create(
        quote=quote,
        version_number=version.number,
        author=link.signer_email,
        text=text.strip()[:5000],
        is_shared=True,
        is_from_customer=True,
        created_at=now,
    )
    announce(quote, version, "quote.asked", now, by=link.signer_email)
    if "@" in quote.owner_label and " " not in quote.owner_label:
        queue_mail(
            dedupe_key=f"quote-comment/{comment.id}",
            to=quote.owner_label,
            subject=f"{link.signer_name} asks about {quote.number} {quote.title}",
            text=(
                f"{link.signer_name} ({link.signer_email}) writes:\n\n{comment.text}\n\n"
                f"Answer here:\n{settings.PUBLIC_BASE_URL}/quotes/{quote.id}/\n"
            ),
            subject_ref=f"quote/{quote.id}",
            now=now,
        )
    return comment
