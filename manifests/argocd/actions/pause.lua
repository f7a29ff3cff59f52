-- Holds the size still until somebody resumes.
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["worktide.dev/paused"] = "true"
obj.metadata.annotations["worktide.dev/paused-reason"] = "paused in Argo CD"
return obj
