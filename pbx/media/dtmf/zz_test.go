package dtmf
import ("testing";"unsafe")
func TestSz(t *testing.T){t.Log(unsafe.Sizeof(Detector{}))}
