"""Forms of the import: a file and whose it is; which column fills which field."""

from collections.abc import Sequence
from typing import Any

from django import forms

from crm.domain.columns import COLUMNS, guess
from crm.domain.files import MAX_BYTES
from crm.models import CrmImport
from monetization.interface.forms import PageForm

_SOURCE_HELP = "Whose ids the file has, such as salesforce or hubspot."


class UploadForm(PageForm):
    """A file of records of one kind."""

    kind = forms.ChoiceField(choices=CrmImport.Kind.choices, label="Records")
    source = forms.CharField(max_length=40, label="System", help_text=_SOURCE_HELP)
    file = forms.FileField(
        label="CSV file",
        help_text="With a header line, in UTF-8; up to 10 MB and 50,000 rows.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
    )

    def clean_source(self) -> str:
        source: str = self.cleaned_data["source"]
        return source.lower()

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise forms.ValidationError("The file has more than 10 MB; split it.")
        return file


class MappingForm(PageForm):
    """The column of the file for each field of a kind of record; none leaves the field alone."""

    def __init__(self, *args: Any, kind: str, header: Sequence[str], **kwargs: Any) -> None:
        self.kind = kind
        kwargs["initial"] = {**guess(kind, header), **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)
        choices = [("", "Not in the file"), *((name, name) for name in header)]
        for column in COLUMNS[kind]:
            if column.is_shown:
                continue
            label = f"{column.label} *" if column.is_required else column.label
            self.fields[column.name] = forms.ChoiceField(
                choices=choices,
                required=False,
                label=label,
                widget=forms.Select(attrs={"class": "form-select"}),
            )

    def mapping(self) -> dict[str, str]:
        return {name: column for name, column in self.cleaned_data.items() if column}


class OpportunityFilterForm(PageForm):
    q = forms.CharField(max_length=200, required=False)
    outcome = forms.CharField(max_length=4, required=False)
