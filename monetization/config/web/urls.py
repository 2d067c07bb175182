from django.urls import path

from monetization.config.web import views

urlpatterns = [
    path("", views.home, name="home"),
    path("search", views.search, name="search"),
]
