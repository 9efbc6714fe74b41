"""The Django project and its one app: everything that touches a request or a row."""
