"""
Celery beat, of which two would send every task twice.

    k8s-leader run --lease beat -- celery -A examples.celery_beat beat

Beat needs no change. Workers are not gated: run as many as you like.
"""

from __future__ import annotations

from celery import Celery

app = Celery("examples", broker="memory://")
app.conf.beat_schedule = {"tick": {"task": "examples.tick", "schedule": 0.5}}


@app.task(name="examples.tick")
def tick() -> None:
    print("tick")
