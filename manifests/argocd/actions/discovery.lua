-- Which buttons a ScaledWorker has.
local annotations = obj.metadata.annotations or {}
local asked = annotations["worktide.dev/paused"]
local paused = asked ~= nil and asked ~= "false"
return {
  pause = { disabled = paused },
  resume = { disabled = not paused },
}
