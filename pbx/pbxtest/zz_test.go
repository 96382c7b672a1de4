package pbxtest
import ("testing";"testing/synctest";"strings";"time";"sotto/board";"os")
func TestZZ(t *testing.T){
 bad:=0
 for i:=range 40 {
  synctest.Test(t,func(t *testing.T){ o:=Start(t,Scene{Country:"DE",Stations:4}); defer o.Stop(t)
   _ = board.Frame{}
   o.Do(t,"102 lifts", "102 hears dial", "102 dials 101")
   if err:=o.words.Do(t.Context(),"101 shows 102 within 5s"); err!=nil { bad++; if i<50 {t.Log(i, strings.Contains(err.Error(),"broken"), time.Now())}}
   o.Do(t,"102 hangs up", "wait 2s")
  })
 }
 t.Log(bad); _=os.Stdout
}
