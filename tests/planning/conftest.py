import pytest

from harness.errors import StudyError
from harness.planning.design import make_design
from harness.words.study_file import load_study


@pytest.fixture
def load(tmp_path):
    """Load a study from its text."""

    def _load(text, name="study"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        return load_study(path)

    return _load


@pytest.fixture
def complaint(load):
    """The lines of the error that designing a text gives, without the folder."""

    def _complaint(text, **options):
        file = load(text)
        with pytest.raises(StudyError) as caught:
            make_design(file, **options)
        return [line[line.index("study.yaml") :] for line in str(caught.value).splitlines()]

    return _complaint
