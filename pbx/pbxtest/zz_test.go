package pbxtest
import ("testing";"testing/synctest";"strings";"time";"sotto/board";"sotto/board/sim/display";"sotto/pbx/media/fsk";"sotto/pbx/country";"sotto/pbx/number";"sotto/pbx/plan")
func TestZZ(t *testing.T){
 bad:=0
 for range 20 {
  synctest.Test(t,func(t *testing.T){ o:=Start(t,Scene{Country:"DE",Stations:4,Names:map[plan.Ext]string{"102":"Jürgen Groß"}}); defer o.Stop(t)
   o.Do(t,"102 lifts", "102 hears dial", "102 dials 101")
   if err:=o.words.Do(t.Context(),"101 shows 102 within 5s"); err!=nil { bad++; t.Log(strings.Contains(err.Error(),"broken"))}
   o.Do(t,"102 hangs up", "wait 2s")
  })
 }
 t.Log(bad)
 c,_:=country.Lookup("DE")
 st,_:=fsk.StyleFor(c.CallerID.Modem,c.CallerID.Alert,c.Code)
  n,_:=number.Parse("102")
  for _,g:=range []float64{1,0.447,0.44, 0.4,0.3} {
  s,_:=fsk.Clip(st,fsk.Caller{Number:n,Name:"Jürgen Groß"},time.Time{})
  d:=display.New()
  s=append(s,make([]int16,1600)...)
  got:=""
  for i:=0;i+80<=len(s);i+=80{
    var f board.Frame
    for k:=range f{f[k]=int16(float64(s[i+k])*g)}
    if m,ok:=d.Hear(time.Time{},&f);ok{got=m.Bad+"|"+m.Name}
  }
  t.Log(g,got)
  }
}
