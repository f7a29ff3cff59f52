"""Puts tasks and triggers into the metadata database of Airflow 2 by Airflow's own models.

Standard input: {"tasks": [{"queue", "state", "host", "executor", "queuedS"}], "triggers": n, "heldTriggers": n}.
"""
import json
import sys
from datetime import timedelta

from airflow.jobs.job import Job
from airflow.models import DAG, Trigger
from airflow.operators.empty import EmptyOperator
from airflow.utils import timezone
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, JobState
from airflow.utils.types import DagRunType

given = json.load(sys.stdin)
now = timezone.utcnow()

with DAG("burst", start_date=now - timedelta(days=1), schedule=None) as dag:
    for index, task in enumerate(given["tasks"]):
        EmptyOperator(task_id=f"task-{index}", queue=task["queue"], executor=task.get("executor"))
dag.sync_to_db()
run = dag.create_dagrun(
    run_id="one", state=DagRunState.RUNNING, execution_date=now, run_type=DagRunType.MANUAL, data_interval=(now, now)
)

with create_session() as session:
    for instance in run.get_task_instances(session=session):
        task = given["tasks"][int(instance.task_id.removeprefix("task-"))]
        instance.state = task["state"]
        instance.hostname = task.get("host", "")
        instance.queued_dttm = now - timedelta(seconds=task.get("queuedS", 0))
        session.merge(instance)
    triggerer = Job(state=JobState.RUNNING, latest_heartbeat=now, hostname="triggerer-0")
    triggerer.job_type = "TriggererJob"
    session.add(triggerer)
    session.flush()
    for index in range(given["triggers"]):
        trigger = Trigger(classpath="airflow.triggers.testing.SuccessTrigger", kwargs={})
        trigger.triggerer_id = triggerer.id if index < given["heldTriggers"] else None
        session.add(trigger)
