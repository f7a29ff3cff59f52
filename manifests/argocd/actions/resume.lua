-- Lets the size follow its work again.
if obj.metadata.annotations ~= nil then
  obj.metadata.annotations["worktide.dev/paused"] = nil
  obj.metadata.annotations["worktide.dev/paused-until"] = nil
  obj.metadata.annotations["worktide.dev/paused-reason"] = nil
end
return obj
