"""An external scaler by KEDA's contract: each file NAME.job in a folder is a job.

PYTHONPATH=../../src/brokers/protos python3 scaler.py 127.0.0.1:9090
"""

import sys
import time
from concurrent import futures
from pathlib import Path

import grpc

messages, services = grpc.protos_and_services("externalscaler.proto")


def waiting(ref):
    """Jobs of the folder that the trigger's metadata names. One that is not there is an error: nobody takes it for empty."""
    folder = Path(ref.scalerMetadata["folder"])
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    return len(list(folder.glob("*.job")))


class Folder(services.ExternalScalerServicer):
    def IsActive(self, ref, context):
        return messages.IsActiveResponse(result=waiting(ref) > 0)

    def StreamIsActive(self, ref, context):
        """Tells of each change: a wake-up. Each call has a thread for itself."""
        before = None
        while context.is_active():
            now = waiting(ref)
            if now != before:
                yield messages.IsActiveResponse(result=now > 0)
            before = now
            time.sleep(0.1)

    def GetMetricSpec(self, ref, context):
        return messages.GetMetricSpecResponse(metricSpecs=[messages.MetricSpec(metricName="jobs", targetSize=1)])

    def GetMetrics(self, request, context):
        value = messages.MetricValue(metricName=request.metricName, metricValue=waiting(request.scaledObjectRef))
        return messages.GetMetricsResponse(metricValues=[value])


server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
services.add_ExternalScalerServicer_to_server(Folder(), server)
server.add_insecure_port(sys.argv[1])
server.start()
print("listens", flush=True)
server.wait_for_termination()
