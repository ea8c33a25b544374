package atlogin

import (
	"errors"
	"fmt"

	"golang.org/x/sys/windows/registry"
)

// runKey has the programs that Windows starts when this user logs in.
const runKey = `Software\Microsoft\Windows\CurrentVersion\Run`

// On reports whether the app is started when its user logs in.
func On() (bool, error) {
	key, err := registry.OpenKey(registry.CURRENT_USER, runKey, registry.QUERY_VALUE)
	if errors.Is(err, registry.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("atlogin: %w", err)
	}
	defer func() { _ = key.Close() }()
	_, _, err = key.GetStringValue(ID)
	if err != nil && !errors.Is(err, registry.ErrNotExist) {
		return false, fmt.Errorf("atlogin: %w", err)
	}
	return err == nil, nil
}

// Set sets whether the app is started when its user logs in.
func Set(on bool) error {
	key, _, err := registry.CreateKey(registry.CURRENT_USER, runKey, registry.SET_VALUE)
	if err != nil {
		return fmt.Errorf("atlogin: %w", err)
	}
	defer func() { _ = key.Close() }()
	if !on {
		if err := key.DeleteValue(ID); err != nil && !errors.Is(err, registry.ErrNotExist) {
			return fmt.Errorf("atlogin: %w", err)
		}
		return nil
	}
	program, err := Program()
	if err != nil {
		return err
	}
	if err := key.SetStringValue(ID, runValue(program)); err != nil {
		return fmt.Errorf("atlogin: %w", err)
	}
	return nil
}
