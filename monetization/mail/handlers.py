"""What mail is owed when something becomes true below it."""

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from monetization.events.models import Event
from monetization.mail.services import queue_mail
from monetization.tenancy.context import current_tenant_id
from monetization.tenancy.models import Tenant
from monetization.users.models import Membership, Role


def on_member_invited(event: Event) -> None:
    """Mail the invitation: with a link to set a password, or to sign in for who has one."""
    membership = (
        Membership.objects.select_related("user")
        .filter(user_id=event.data["user_id"], tenant_id=current_tenant_id())
        .first()
    )
    if membership is None:  # removed before the mail was written
        return
    user, tenant = membership.user, Tenant.objects.get(id=current_tenant_id())
    has_password = user.has_usable_password()
    if has_password:
        path = reverse("account_login")
    else:
        path = reverse(
            "account_reset_password_from_key",
            kwargs={
                "uidb36": user_pk_to_url_str(user),
                "key": default_token_generator.make_token(user),
            },
        )
    text = render_to_string(
        "emails/invitation.txt",
        {
            "name": user.name or user.email,
            "company": tenant.name,
            "invited_by": event.actor,
            "role": Role(membership.role).label,
            "has_password": has_password,
            "address": f"{settings.PUBLIC_BASE_URL}{path}",
            "hours": settings.PASSWORD_RESET_TIMEOUT // 3600,
        },
    )
    queue_mail(
        dedupe_key=f"invitation/{event.id}",
        to=user.email,
        subject=f"You are invited to {tenant.name} on Throughline",
        text=text,
        subject_ref=f"user/{user.id}",
        now=timezone.now(),
    )
