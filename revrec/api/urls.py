from django.urls import path

from revrec.api import previews, views

urlpatterns = [
    path("quotes/<uuid:pk>/revenue", previews.QuoteRevenueView.as_view(), name="quote-revenue"),
    path(
        "quotes/<uuid:pk>/amendment-preview",
        previews.AmendmentPreviewView.as_view(),
        name="quote-amendment-preview",
    ),
    path("revenue/waterfall", views.WaterfallView.as_view(), name="revenue-waterfall"),
    path(
        "revenue/deferred-roll-forward",
        views.RollForwardView.as_view(),
        name="revenue-roll-forward",
    ),
    path("revenue/trial-balance", views.TrialBalanceView.as_view(), name="revenue-trial-balance"),
    path("revenue/recognize", views.RecognizeView.as_view(), name="revenue-recognize"),
    path("revenue/close", views.CloseView.as_view(), name="revenue-close"),
    path("revenue/reopen", views.ReopenView.as_view(), name="revenue-reopen"),
]
