"""Long work as rows. Celery only rings; what is to be done, and what is done, is here."""

from django.db import models
from django.db.models import Q

from monetization.tenancy.models import TenantForeignKey, TenantModel, TenantPart


class Job(TenantModel):
    """One long piece of work over many items, resumable after any crash.

    A worker holds it by a lease and a fencing token: a later claim raises the token, so
    the work of a worker that was only slow, not dead, is refused instead of doubled. Where a
    job has lanes, others may help under the same token, each at a lane of its own.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Done"
        ATTENTION = "attention", "Needs attention"  # finished, some items failed
        CANCELLED = "cancelled", "Cancelled"

    kind = models.CharField(max_length=60)
    title = models.CharField(max_length=200)
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    params = models.JSONField(default=dict)
    requested_by = models.CharField(max_length=200)
    dedupe_key = models.CharField(max_length=200, blank=True)  # one active job per key
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    up_to_date = models.PositiveIntegerField(default=0, db_default=0)  # of these, without an item
    failed = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    fencing_token = models.PositiveIntegerField(default=0)
    lanes = models.PositiveSmallIntegerField(default=1, db_default=1)  # its items are spread over
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "dedupe_key"],
                condition=~Q(dedupe_key="") & Q(status__in=["queued", "running"]),
                name="job_one_active_per_key",
            )
        ]
        indexes = [models.Index(fields=["tenant", "status", "created_at"], name="job_by_status")]

    def __str__(self) -> str:
        return f"{self.title} ({self.status})"

    @property
    def is_finished(self) -> bool:
        return self.status not in (self.Status.QUEUED, self.Status.RUNNING)

    @property
    def percent(self) -> int:
        return 100 if not self.total else 100 * (self.done + self.failed) // self.total


class JobItem(TenantPart):
    """One unit of a job: its effect and its mark commit together.

    Items of one lane run in the order of their positions; lanes run beside each other.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        DONE = "done", "Done"
        SKIPPED = "skipped", "Nothing to do"
        FAILED = "failed", "Failed"

    job = TenantForeignKey(Job, on_delete=models.CASCADE, related_name="items", db_index=False)
    lane = models.PositiveSmallIntegerField(default=0, db_default=0)
    position = models.PositiveIntegerField()
    key = models.CharField(max_length=200)  # what it is about, e.g. an invoice id
    label = models.CharField(max_length=200, blank=True)  # what people read
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "job", "key"], name="job_item_once")
        ]
        indexes = [
            models.Index(
                fields=["tenant", "job", "status", "lane", "position"], name="job_item_next_of_lane"
            )
        ]

    def __str__(self) -> str:
        return f"{self.label or self.key} ({self.status})"
