"""A catalogue of reusable steps: tables, validation, splitting, scikit-learn estimators, reports.

    from pipelinekit_steps.tables import read_csv
    from pipelinekit_steps.training import train_estimator

Each is an ordinary `@step`: a step in a pipeline function, a plain function anywhere else. They take and give pyarrow
tables; an input that is annotated as another kind of table gets it as that kind.

A pipeline's file is imported by every command, also by the one that finds everything done. So the modules that hold
steps load pyarrow at most; `estimators` and `drawing` load scikit-learn and matplotlib, and are imported when such a
step runs. Those libraries come with `pip install 'pipelinekit[steps]'`.
"""
