import pytest

from harness.errors import StudyError
from harness.words.study_file import load_study


@pytest.fixture
def load(tmp_path):
    """Load a study from its text."""

    def _load(text, name="study"):
        path = tmp_path / f"{name}.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_study(path)

    return _load


@pytest.fixture
def complaint(load):
    """The lines of the error a text gives, without the folder."""

    def _complaint(text):
        with pytest.raises(StudyError) as caught:
            load(text)
        lines = str(caught.value).splitlines()
        return [line[line.index("study.yaml") :] for line in lines]

    return _complaint
