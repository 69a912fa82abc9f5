"""What the clock starts: the flows, and the timetable that Prefect runs them by.

A flow asks a service to do something and shows what came of it. It has no rules of its
own, touches no database and no broker.
"""
