package handover

import "testing"

func TestDownloadsOf(t *testing.T) {
	for said, want := range map[string]string{
		"": "/home/ann/Downloads",
		"# made by xdg-user-dirs\nXDG_DOWNLOAD_DIR=\"$HOME/Téléchargements\"\n": "/home/ann/Téléchargements",
		"XDG_DOWNLOAD_DIR=\"/data/down\"":                                       "/data/down",
		"XDG_DOWNLOAD_DIR=\"$HOME/\"":                                           "/home/ann/Downloads",
		"XDG_DOWNLOAD_DIR=\"down\"":                                             "/home/ann/Downloads",
	} {
		if got := downloadsOf(said, "/home/ann"); got != want {
			t.Errorf("%q: %s", said, got)
		}
	}
}
