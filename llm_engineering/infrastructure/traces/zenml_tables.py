# ruff: noqa: S608 - these statements are made of the constants in this module alone
"""How ZenML's tables (version 0.98, which this project pins) tell what belongs to a run."""

_NAMED = {
    "pipeline_run": ("pipeline_configuration", "exception_info", "status_reason"),
    "pipeline_snapshot": ("pipeline_configuration", "pipeline_spec", "description"),
    "step_run": ("step_configuration", "exception_info"),
    "step_configuration": ("config",),
    "run_metadata": ("value",),
}
_OUTPUTS = (
    "SELECT pipeline_run_id FROM step_run JOIN step_run_output_artifact ON step_id = step_run.id WHERE artifact_id IN"
)


def _where(table: str) -> str:
    return f"{table} WHERE " + " OR ".join(f"named({column})" for column in _NAMED[table])


# Each yields the ids of runs some text of which `named(text)` is true of.
RUNS_NAMING = (
    f"SELECT id FROM {_where('pipeline_run')}",
    f"SELECT id FROM pipeline_run WHERE snapshot_id IN (SELECT id FROM {_where('pipeline_snapshot')})",
    f"SELECT pipeline_run_id FROM {_where('step_run')}",
    f"SELECT pipeline_run_id FROM step_run WHERE id IN (SELECT step_run_id FROM {_where('step_configuration')})",
    f"SELECT id FROM pipeline_run WHERE snapshot_id IN (SELECT snapshot_id FROM {_where('step_configuration')})",
    f"{_OUTPUTS} (SELECT resource_id FROM run_metadata_resource WHERE run_metadata_id IN "
    f"(SELECT id FROM {_where('run_metadata')}))",
)

RUN_OF_STEP = "SELECT pipeline_run_id FROM step_run WHERE id = :id"
RUN_OF_LOG = (
    "SELECT coalesce(logs.pipeline_run_id, step_run.pipeline_run_id) FROM logs "
    "LEFT JOIN step_run ON step_run.id = step_run_id WHERE logs.id = :id"
)

_STEPS = "SELECT id FROM step_run WHERE pipeline_run_id IN (SELECT run FROM gone)"
# A cached step lists the artifact of an earlier run as its own output; the path says whose it is.
_ARTIFACTS = (
    "SELECT made.id FROM artifact_version AS made "
    "JOIN step_run_output_artifact AS output ON output.artifact_id = made.id "
    f"WHERE output.step_id IN ({_STEPS}) AND instr(replace(made.uri, '-', ''), output.step_id)"
)
_RESOURCES = f"SELECT run FROM gone UNION {_STEPS} UNION {_ARTIFACTS}"

# Remove the runs in the table `gone`. What refers to these rows goes with them (ON DELETE CASCADE).
FORGET = (
    "DELETE FROM run_metadata WHERE id IN "
    f"(SELECT run_metadata_id FROM run_metadata_resource WHERE resource_id IN ({_RESOURCES}))",
    f"DELETE FROM artifact_version WHERE id IN ({_ARTIFACTS})",
    "DELETE FROM pipeline_snapshot "
    "WHERE id IN (SELECT snapshot_id FROM pipeline_run WHERE id IN (SELECT run FROM gone)) "
    "AND id NOT IN (SELECT snapshot_id FROM pipeline_run WHERE snapshot_id IS NOT NULL "
    "AND id NOT IN (SELECT run FROM gone))",
    "DELETE FROM pipeline_run WHERE id IN (SELECT run FROM gone)",
)
