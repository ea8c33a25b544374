//go:build cgo && linux && !porch_native

package capture

func systemCameras() videoSystem { return v4l2{} }
