"""pipelinekit: a machine learning workspace whose pipeline engine reuses every step that was seen before.

The public names, and nothing else. Each is imported when it is first used, so that `import pipelinekit` costs nothing.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # type checkers take it for true; `typing` is dear, see `typed`

if TYPE_CHECKING:
    from typing import Any

    from pipelinekit.authoring.environments import Environment as Environment
    from pipelinekit.authoring.handles import fixed as fixed
    from pipelinekit.authoring.pipelines import Pipeline as Pipeline
    from pipelinekit.authoring.pipelines import first_of as first_of
    from pipelinekit.authoring.pipelines import otherwise as otherwise
    from pipelinekit.authoring.pipelines import pipeline as pipeline
    from pipelinekit.authoring.pipelines import sequence as sequence
    from pipelinekit.authoring.pipelines import when as when
    from pipelinekit.authoring.script_runs import ScriptRunConfig as ScriptRunConfig
    from pipelinekit.authoring.scripts import CommandStep as CommandStep
    from pipelinekit.authoring.scripts import PythonScriptStep as PythonScriptStep
    from pipelinekit.authoring.steps import Step as Step
    from pipelinekit.authoring.steps import step as step
    from pipelinekit.bootstrap import Workspace as Workspace
    from pipelinekit.domain.datasets import DataPath as DataPath
    from pipelinekit.domain.datasets import Dataset as Dataset
    from pipelinekit.domain.datasets import dataset as dataset
    from pipelinekit.domain.providers import BatchSystem as BatchSystem
    from pipelinekit.domain.providers import KubernetesPods as KubernetesPods
    from pipelinekit.domain.providers import SSHHosts as SSHHosts
    from pipelinekit.domain.runs import RunStatus as RunStatus
    from pipelinekit.domain.runs import StepStatus as StepStatus
    from pipelinekit.domain.steps import Canonical as Canonical
    from pipelinekit.domain.steps import Resources as Resources
    from pipelinekit.domain.steps import Retry as Retry
    from pipelinekit.errors import PipelinekitError as PipelinekitError
    from pipelinekit.formats.paths import File as File
    from pipelinekit.formats.paths import Folder as Folder
    from pipelinekit.formats.registry import Format as Format
    from pipelinekit.formats.registry import register_format as register_format
    from pipelinekit.harness.context import get_context as get_context
    from pipelinekit.harness.secrets import get_secret as get_secret
    from pipelinekit.harness.secrets import get_secrets as get_secrets
    from pipelinekit.workspace.runs import Run as Run
    from pipelinekit.workspace.runs import StepRun as StepRun

_HOMES = {
    "BatchSystem": "domain.providers",
    "Canonical": "domain.steps",
    "CommandStep": "authoring.scripts",
    "DataPath": "domain.datasets",
    "Dataset": "domain.datasets",
    "Environment": "authoring.environments",
    "File": "formats.paths",
    "Folder": "formats.paths",
    "Format": "formats.registry",
    "KubernetesPods": "domain.providers",
    "Pipeline": "authoring.pipelines",
    "PipelinekitError": "errors",
    "PythonScriptStep": "authoring.scripts",
    "Resources": "domain.steps",
    "Retry": "domain.steps",
    "Run": "workspace.runs",
    "ScriptRunConfig": "authoring.script_runs",
    "RunStatus": "domain.runs",
    "SSHHosts": "domain.providers",
    "Step": "authoring.steps",
    "StepRun": "workspace.runs",
    "StepStatus": "domain.runs",
    "Workspace": "bootstrap",
    "dataset": "domain.datasets",
    "first_of": "authoring.pipelines",
    "fixed": "authoring.handles",
    "get_secret": "harness.secrets",
    "get_secrets": "harness.secrets",
    "otherwise": "authoring.pipelines",
    "get_context": "harness.context",
    "pipeline": "authoring.pipelines",
    "register_format": "formats.registry",
    "sequence": "authoring.pipelines",
    "step": "authoring.steps",
    "when": "authoring.pipelines",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - a list, which the rule cannot see


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pipelinekit' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"pipelinekit.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


__version__ = "0.1.0"
