"""Jobs as the API shows them; bulk actions of every app answer with one."""

from typing import Any

from rest_framework import serializers

from monetization.jobs.models import Job, JobItem


class JobSerializer(serializers.Serializer[Any]):
    """Long work over many items, and how far it is."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    title = serializers.CharField()
    status = serializers.ChoiceField(choices=Job.Status.choices)
    total = serializers.IntegerField()
    done = serializers.IntegerField()
    failed = serializers.IntegerField()
    up_to_date = serializers.IntegerField(
        help_text="How many of those done needed nothing from the start; they have no item."
    )
    percent = serializers.IntegerField()
    requested_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class JobItemSerializer(serializers.Serializer[Any]):
    """One item: what it is about and what came of it."""

    key = serializers.CharField(help_text="For invoices: the invoice's id.")
    label = serializers.CharField()
    status = serializers.ChoiceField(choices=JobItem.Status.choices)
    attempts = serializers.IntegerField()
    result = serializers.DictField()
    error = serializers.CharField()
    finished_at = serializers.DateTimeField(allow_null=True)


class JobDetailSerializer(JobSerializer):
    """A job with its first 200 items; `/items` pages through all."""

    items = JobItemSerializer(many=True)
