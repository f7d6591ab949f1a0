"""Seal the events in a chain, verify it, and delete what has expired.

Rows are sealed after their transactions, in the order of their ids as far as they can be seen: to
chain them as they are inserted, each transaction would have to wait for the one before
(decision 66).
"""

import logging
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from audit.models import Event, Seal
from audit.recording import Line

SIZE = 1000  # rows of a batch
# Longer than a transaction takes, and than the clocks of two machines differ.
LATEST = timedelta(days=1)
MARGIN = timedelta(hours=1)  # the trigger has the clock of the database

logger = logging.getLogger("security")


def unsealed() -> QuerySet[Event]:
    """Return the events that are in no link, in the order in which they are sealed."""
    return Event.objects.exclude(Exists(Seal.objects.filter(event=OuterRef("pk")))).order_by("pk")


def seconds_behind() -> float:
    """Return the age of the oldest event after the last link, 0 if there is none."""
    last = Seal.objects.order_by("position").last()
    events = Event.objects.filter(pk__gt=last.event_id if last else 0).order_by("pk")
    waits_since = events.values_list("time", flat=True).first()
    return (timezone.now() - waits_since).total_seconds() if waits_since else 0


def seal() -> None:
    """Seal all events that can be seen, and log the end of the chain, an anchor."""
    last = Seal.objects.order_by("position").last()
    newest = Event.objects.filter(pk=last.event_id).first() if last else None
    events = unsealed()
    if newest:  # Else every row would be read each time.
        events = events.filter(time__gt=newest.time - LATEST)
    before = last
    while batch := list(events[:SIZE]):
        seals = [last := link(event, last) for event in batch]
        try:
            Seal.objects.bulk_create(seals)
        except IntegrityError:  # Another process has sealed the same.
            return
        events = events.filter(pk__gt=batch[-1].pk)
    if last and last != before:
        logger.info(Line(event="audit-sealed", anchor=str(last)))


def link(event: Event, last: Seal | None) -> Seal:
    """Return the link of `event` that follows `last`."""
    position, previous = (last.position + 1, last.mac) if last else (1, "")
    new = Seal(position=position, event=event, expires=event.expires, previous=previous)
    new.digest = event.digest()
    new.mac = new.mac_with(settings.AUDIT_KEY)
    return new


def delete_expired() -> None:
    """Delete the oldest events that have expired, and their links but the last one, an anchor."""
    now = timezone.now() - MARGIN
    kept = Seal.objects.filter(expires__gt=now).order_by("position").first()
    links = Seal.objects.filter(expires__lt=now).order_by("position")
    if kept:
        links = links.filter(position__lt=kept.position)
    batch = list(links[: SIZE + 1])
    while batch:
        with transaction.atomic():
            Event.objects.filter(pk__in=[one.event_id for one in batch]).delete()
            Seal.objects.filter(pk__in=[one.pk for one in batch[:-1]]).delete()
        batch = list(links[: SIZE + 1]) if len(batch) > SIZE else []


def links() -> Iterator[tuple[Seal, Event | None]]:
    """Yield all links in order, with the event of each if it is there."""
    position = 0
    while batch := list(Seal.objects.filter(position__gt=position).order_by("position")[:SIZE]):
        events = Event.objects.in_bulk([one.event_id for one in batch])
        for one in batch:
            yield one, events.get(one.event_id)
        position = batch[-1].position


def problems(anchors: dict[int, str]) -> Iterator[str]:
    """Yield what is wrong with the table, a sentence each.

    Args:
        anchors: `mac` by position, from the log.
    """
    last, now = None, timezone.now()
    for one, event in links():
        if one.mac != one.mac_with(settings.AUDIT_KEY):
            yield f"link {one.position} was changed, or made with another key"
        if last is None and one.position > 1 and one.expires > now:
            yield f"the links before {one.position} are missing, and were to be kept"
        if last and (one.position, one.previous) != (last.position + 1, last.mac):
            yield f"link {one.position} does not follow link {last.position}"
        if event is None and one.expires > now:
            yield f"event {one.event_id} is missing, and was to be kept"
        if event and event.digest() != one.digest:
            yield f"event {one.event_id} was changed"
        if anchors.pop(one.position, one.mac) != one.mac:
            yield f"link {one.position} is not the one in the log"
        last = one
    for position in anchors:
        yield f"link {position}, which is in the log, is missing"
    newest = Event.objects.filter(pk=last.event_id).first() if last else None
    if newest and unsealed().filter(time__lt=newest.time - LATEST).exists():
        yield "there are old events in no link, which were inserted later"
