//go:build !windows

package atlogin

// Set sets whether the app is started when its user logs in. The system reads the file at the next login.
func Set(on bool) error {
	path, err := file()
	if err != nil {
		return err
	}
	if !on {
		return remove(path)
	}
	program, err := Program()
	if err != nil {
		return err
	}
	return write(path, entry(program))
}
